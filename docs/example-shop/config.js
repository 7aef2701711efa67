// The one thing to change: where the ticketing server is. It must name this shop's origin in CORS_ORIGIN.
const SERVER = "http://127.0.0.1:8080";

export const API = tried() ?? SERVER;

// While you try it on your own machine, `?api=http://127.0.0.1:9000` in the address leads to another server there. Nowhere
// else, and to none elsewhere: a link could lead guests to somebody else's server.
function tried() {
  const asked = new URLSearchParams(location.search).get("api");
  const url = URL.canParse(asked ?? "") ? new URL(asked) : null;
  return isHere(location) && url && isHere(url) ? url.origin : null;
}

function isHere({ protocol, hostname }) {
  return ["http:", "https:"].includes(protocol) && ["127.0.0.1", "localhost"].includes(hostname);
}
