// The three views of the shop: what is on, the order form, and the order that was placed.
// What the server says is only ever written as text, never as HTML.

import { nights, orderNow, placeOrder } from "./api.js";
import { closeAttempt, dropOrder, keepOrder, keptOrder, openAttempt, unanswered } from "./memory.js";
import { left, moment, money, night, people } from "./words.js";

const LOOK_AGAIN = 10_000; // milliseconds between two looks at an order that waits for its payment
const FEW = 20; // tickets left that are worth saying
const STATES = {
  pending: ["Not paid yet", "Your seats are held"],
  paid: ["Paid", "You are in"],
  cancelled: ["Closed", "This order is over"],
  refunded: ["Refunded", "This order was refunded"],
};

const $ = (id) => document.getElementById(id);
let chosen = null; // { event, tier } of the order form
let looking = 0; // the timers of the view of a placed order
let ticking = 0;

// --- Around the views ------------------------------------------------------------------------------------------

function view(name) {
  clearInterval(looking);
  clearInterval(ticking);
  for (const id of ["nights", "order", "placed"]) $(id).hidden = id !== name;
  say("");
  $(`${name}-title`).focus({ preventScroll: true });
  scrollTo(0, 0);
}

function say(text, requestId = "") {
  $("notice").textContent = requestId ? `${text} (${requestId})` : text;
  $("notice").hidden = !text;
}

function make(tag, className, text = "") {
  const element = Object.assign(document.createElement(tag), { className });
  element.textContent = text;
  return element;
}

// --- What is on ------------------------------------------------------------------------------------------------

async function showNights() {
  view("nights");
  $("nights-state").textContent = "Looking what is on…";
  $("nights-list").replaceChildren();
  try {
    const events = await nights();
    $("nights-list").replaceChildren(...events.map(nightCard));
    $("nights-state").textContent = events.length ? "" : "Nothing is on sale right now.";
  } catch (trouble) {
    $("nights-state").textContent = "";
    const again = make("button", "link", "Try again");
    again.addEventListener("click", showNights);
    $("nights-list").replaceChildren(again);
    say(trouble.message, trouble.requestId);
  }
}

function nightCard(event) {
  const card = make("article", "card night");
  if (/^https?:/.test(event.image ?? "")) {
    card.append(Object.assign(make("img", "picture"), { src: event.image, alt: "", loading: "lazy" }));
  }
  const about = [make("h2", "", event.name), make("p", "when", night(event))];
  if (event.description) about.push(make("p", "small", event.description));
  const tiers = make("ul", "tiers");
  tiers.append(...event.tiers.map((tier) => tierRow(event, tier)));
  card.append(...about, tiers);
  return card;
}

function tierRow(event, tier) {
  const row = make("li", "tier");
  const name = make("span", "tier-name", tier.name);
  const button = make("button", "button button-small", "Choose");
  button.setAttribute("aria-label", `Choose ${tier.name} for ${event.name}`);
  button.addEventListener("click", () => showForm(event, tier));
  const reason = whyNot(tier);
  const few = tier.available <= FEW ? `, ${tier.available} left` : "";
  name.append(make("span", "small", reason || money(tier.price, tier.currency) + few));
  row.append(name, ...(reason ? [] : [button]));
  return row;
}

function whyNot(tier) {
  const now = Date.now();
  if (tier.saleEndsAt && now >= Date.parse(tier.saleEndsAt)) return "Sale is over";
  if (tier.available < 1) return "Sold out";
  if (tier.saleStartsAt && now < Date.parse(tier.saleStartsAt)) return `On sale from ${moment(tier.saleStartsAt)}`;
  return "";
}

// --- The order form --------------------------------------------------------------------------------------------

function showForm(event, tier) {
  chosen = { event, tier };
  const most = Math.max(1, Math.min(tier.maxPerOrder, tier.available));
  $("quantity").replaceChildren(...Array.from({ length: most }, (_, i) => new Option(people(i + 1), i + 1)));
  $("order-title").textContent = event.name;
  $("order-what").textContent = `${night(event)} · ${tier.name}`;
  unlock();
  showTotal();
  view("order");
}

function showTotal() {
  const { tier } = chosen;
  $("total").textContent = money(Math.round(tier.price * 100 * Number($("quantity").value)) / 100, tier.currency);
}

function wishOf(form) {
  const { event, tier } = chosen;
  const typed = Object.fromEntries(new FormData(form));
  return { eventId: event.id, tierId: tier.id, ...typed, quantity: Number(typed.quantity), referralSource: "shop" };
}

async function send(attempt) {
  lock("Ordering…");
  $("send").disabled = true;
  try {
    place(await placeOrder(attempt), attempt);
  } catch (trouble) {
    if (trouble.isFinal) refused(trouble);
    else notKnown(trouble);
  }
}

function place(answer, attempt) {
  const { order, orderUrl: url } = answer;
  // The phone's clock may be wrong. Counted from when the order was first sent, the time left is never too long.
  const held = order.holdExpiresAt ? Date.parse(order.holdExpiresAt) - Date.parse(order.createdAt) : 0;
  keepOrder({
    url,
    number: order.orderNumber,
    what: `${order.eventName}: ${people(order.quantity)}, ${order.tierName}`,
    total: money(order.totalPrice, order.currency),
    status: order.status,
    until: held ? attempt.at + held : 0,
  });
  closeAttempt();
  showPlaced();
}

// Decided: the same order would be refused again. What is typed may be changed.
async function refused(trouble) {
  closeAttempt();
  if (!chosen) return showNights().then(() => say(trouble.message));
  unlock();
  say(trouble.message, trouble.code ? "" : trouble.requestId);
  $("notice").scrollIntoView({ block: "center" });
}

// Perhaps the order is placed and its answer got lost. The same key asks for it and orders nothing more.
function notKnown(trouble) {
  say(`${trouble.message} Press “Try again”: you are never charged for two.`, trouble.requestId);
  lock("Try again");
  wait(trouble.wait);
}

function wait(seconds) {
  $("send").disabled = seconds > 0;
  $("send").textContent = seconds > 0 ? `Try again in ${left(seconds * 1000)}` : "Try again";
  if (seconds > 0) setTimeout(() => unanswered() && wait(seconds - 1), 1000);
}

function lock(label) {
  $("order-fields").disabled = true;
  $("send").textContent = label;
}

function unlock() {
  $("order-fields").disabled = $("send").disabled = false;
  $("send").textContent = chosen?.tier.price === 0 ? "Get your ticket" : "Order";
}

// After a reload: what was sent is shown as it was, and only sent again.
function showUnanswered(attempt) {
  const { wish, title } = attempt;
  $("order-title").textContent = title.name;
  $("order-what").textContent = title.what;
  $("total").textContent = title.total;
  $("quantity").replaceChildren(new Option(people(wish.quantity), wish.quantity));
  for (const [id, text] of [["name", wish.buyerName], ["email", wish.buyerEmail], ["phone", wish.buyerPhone]]) {
    $(id).value = text;
  }
  view("order");
  send(attempt);
}

// --- The order that was placed ---------------------------------------------------------------------------------

function showPlaced() {
  view("placed");
  tell();
  if (keptOrder().status !== "pending") return;
  looking = setInterval(look, LOOK_AGAIN);
  ticking = setInterval(tick, 1000);
  look();
}

function tell() {
  const order = keptOrder();
  const [state, title] = STATES[order.status] ?? STATES.pending;
  const isOpen = order.status === "pending";
  $("placed-state").textContent = state;
  $("placed-state").className = `state ${{ paid: "state-good", pending: "" }[order.status] ?? "state-bad"}`;
  $("placed-title").textContent = title;
  $("placed-what").textContent = `${order.what}, ${order.total}`;
  $("number").textContent = order.number;
  $("order-link").href = order.url;
  $("order-link").textContent = isOpen ? `Pay ${order.total}` : order.status === "paid" ? "See your ticket" : "See your order";
  $("hold").hidden = !(isOpen && order.until);
  tick();
}

function tick() {
  const { until } = keptOrder();
  $("countdown").textContent = left(until - Date.now());
}

async function look() {
  if (document.hidden) return;
  try {
    const { status } = await orderNow(keptOrder());
    say("");
    if (status === keptOrder().status) return;
    keepOrder({ ...keptOrder(), status });
    if (status === "pending") tell();
    else showPlaced();
  } catch (trouble) {
    if (trouble.isFinal) clearInterval(looking);
    else say(trouble.message);
  }
}

// --- Begin -----------------------------------------------------------------------------------------------------

function begin() {
  const attempt = unanswered();
  if (attempt) showUnanswered(attempt);
  else if (keptOrder()) showPlaced();
  else showNights();
}

$("order-form").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  const known = unanswered();
  if (known) return send(known);
  const title = {
    name: $("order-title").textContent,
    what: $("order-what").textContent,
    total: $("total").textContent,
  };
  return send(openAttempt(wishOf(submitted.target), title));
});
$("quantity").addEventListener("change", showTotal);
$("back").addEventListener("click", async () => {
  const wasSent = unanswered();
  closeAttempt();
  chosen = null;
  await showNights();
  if (wasSent) say("If your order was placed after all, you get an e-mail about it. Look there before you order again.");
});
$("another").addEventListener("click", () => {
  dropOrder();
  showNights();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !$("placed").hidden && keptOrder()?.status === "pending") look();
});
begin();
