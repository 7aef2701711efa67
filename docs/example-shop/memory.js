// What must outlive a reload of this tab: an attempt to order that has no answer yet, and the order that came of one.
// In the tab alone: the link of an order is its ticket.

const ATTEMPT = "attempt";
const ORDER = "order";
const KEPT = 23 * 3600 * 1000; // milliseconds; the server knows a key for 24 hours

const read = (name) => JSON.parse(sessionStorage.getItem(name) ?? "null");
const write = (name, value) => sessionStorage.setItem(name, JSON.stringify(value));

// The same wish keeps its key until there is an answer, so that a second press or a reload never orders twice.
export function openAttempt(wish, title) {
  const attempt = { key: newKey(), wish, title, at: Date.now() };
  write(ATTEMPT, attempt);
  return attempt;
}

export function unanswered() {
  const attempt = read(ATTEMPT);
  return attempt && Date.now() - attempt.at < KEPT ? attempt : null;
}

export const closeAttempt = () => sessionStorage.removeItem(ATTEMPT);
export const keepOrder = (order) => write(ORDER, order);
export const keptOrder = () => read(ORDER);
export const dropOrder = () => sessionStorage.removeItem(ORDER);

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID(); // there on https and on this machine only
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
