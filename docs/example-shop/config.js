// The one thing to change: where the ticketing server is. It must name this shop's origin in CORS_ORIGIN.
export const API = "http://127.0.0.1:8080";
