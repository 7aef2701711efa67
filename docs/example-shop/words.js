// Money and moments as people write them.

export const money = (amount, currency) =>
  amount === 0 ? "Free" : new Intl.NumberFormat("en", { style: "currency", currency }).format(amount);

// A night has the date and the time of the clock at its venue, wherever the guest is: no zone is applied.
export function night(event) {
  const day = new Date(event.date).toLocaleDateString("en", {
    weekday: "long",
    month: "long",
    day: "numeric",
    timeZone: "UTC",
  });
  return `${day}, ${event.time.slice(0, 5)} · ${event.venue ? `${event.venue}, ` : ""}${event.location}`;
}

// A moment, which has a zone, on the guest's own clock.
export const moment = (text) => new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });

export const people = (count) => (count === 1 ? "1 ticket" : `${count} tickets`);

export function left(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
