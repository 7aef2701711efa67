// Talks to the ticketing server. Whatever goes wrong becomes a Trouble with words for the guest.

import { API } from "./config.js";

const PATIENCE = 15_000; // milliseconds for an answer; a phone in a basement needs some

const WORDS = {
  SOLD_OUT: "Sold out: somebody was faster.",
  EVENT_NOT_ACTIVE: "This night is not on sale any more.",
  TIER_NOT_ACTIVE: "This ticket is not on sale any more.",
  TIER_NOT_FOUND: "This ticket does not exist any more.",
  SALE_NOT_STARTED: "The sale of this ticket has not started yet.",
  SALE_ENDED: "The sale of this ticket is over.",
  RATE_LIMITED: "Very many people are asking from your network.",
  IDEMPOTENCY_KEY_REUSED: "Something got mixed up. Nothing was ordered this time; please order once more.",
  UNAVAILABLE: "The ticket office is not available right now.",
  SERVER_ERROR: "Something went wrong at the ticket office.",
};

// `isFinal`: the server has decided, and the same request would get the same answer. Otherwise nobody knows what became
// of the request, or it may work later: send the very same one again. `wait`: seconds until that makes sense.
export class Trouble extends Error {
  constructor(message, { code = "", isFinal = false, wait = 0, requestId = "" } = {}) {
    super(message);
    Object.assign(this, { code, isFinal, wait, requestId });
  }
}

export const nights = async () => (await ask("/api/events")).events;

export const placeOrder = (attempt) =>
  ask("/api/orders", {
    method: "POST",
    headers: { "Content-Type": "application/json", "Idempotency-Key": attempt.key },
    body: JSON.stringify(attempt.wish),
  });

// The token in the address of the order's page proves that the order is ours.
export const orderNow = async ({ number, url }) => {
  const token = new URL(url).pathname.split("/").filter(Boolean).pop();
  return (await ask(`/api/orders/${encodeURIComponent(number)}?token=${encodeURIComponent(token)}`)).order;
};

let wasHeard = false; // this page has read an answer, so it may

async function ask(path, options = {}) {
  let response, answer;
  try {
    response = await fetch(API + path, { ...options, signal: AbortSignal.timeout(PATIENCE) });
    answer = await response.json();
    wasHeard = true;
  } catch {
    throw new Trouble(await whyNoAnswer());
  }
  if (response.ok) return answer;
  throw refusal(response, answer);
}

function refusal(response, answer) {
  const isFinal = response.status < 500 && response.status !== 429;
  const requestId = response.headers.get("X-Request-ID") ?? "";
  const wait = Number(response.headers.get("Retry-After")) || 0;
  let words = WORDS[answer.code] ?? answer.error ?? "That did not work.";
  if (answer.code === "SOLD_OUT" && answer.available > 0) words = `Only ${answer.available} left: please take fewer.`;
  return new Trouble(words, { code: answer.code, isFinal, wait, requestId });
}

// A browser does not tell a page why it got no answer; whether the server is there at all can be found out.
async function whyNoAnswer() {
  if (!navigator.onLine) return "You are offline.";
  if (wasHeard) return "The answer got lost on its way.";
  try {
    await fetch(`${API}/health/live`, { mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    return "The ticket office does not answer.";
  }
  return `The ticket office gave no answer to this page. If this goes on: does its CORS_ORIGIN name ${location.origin}?`;
}
