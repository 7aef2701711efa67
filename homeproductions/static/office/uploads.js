// Sends pictures from this page straight to the image host, with a permit that our server signs for each batch.
"use strict";

(() => {
  const RENEW_AFTER = 45 * 60 * 1000; // a permit is good for an hour

  const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

  // Asks our server. What it refuses, it says in words.
  async function ask(address, fields = {}) {
    const body = new FormData();
    Object.entries(fields).forEach(([name, value]) => body.append(name, value));
    const answer = await fetch(address, { method: "POST", body, headers: { "X-CSRFToken": token() } });
    const isJson = (answer.headers.get("Content-Type") || "").includes("json");
    if (answer.redirected || !isJson) throw new Error("You are signed out. Open this page again.");
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error || "That did not work.");
    return said;
  }

  // One permit for many pictures, and a new one before it runs out.
  function permits(address) {
    let permit = null;
    let since = 0;
    return () => {
      if (!permit || Date.now() - since > RENEW_AFTER) {
        since = Date.now();
        permit = ask(address);
        permit.catch(() => { permit = null; });
      }
      return permit;
    };
  }

  // Resolves with the host's answer; `tell` hears the percentage.
  function send(file, permit, tell) {
    const body = new FormData();
    body.append("file", file);
    body.append("api_key", permit.apiKey);
    ["timestamp", "signature", "folder", "transformation"].forEach((name) => body.append(name, permit[name]));
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) tell(Math.round((100 * event.loaded) / event.total));
      });
      request.addEventListener("load", () => {
        let said = {};
        try { said = JSON.parse(request.responseText) || {}; } catch { /* not from the host itself */ }
        if (request.status === 200 && /^https:\/\//.test(said.secure_url) && said.public_id) resolve(said);
        else reject(new Error(said.error && said.error.message ? said.error.message : "The image host did not take it."));
      });
      request.addEventListener("error", () => reject(new Error("The image host cannot be reached.")));
      request.open("POST", permit.uploadUrl);
      request.send(body);
    });
  }

  window.office = { ask, permits, send };

  // --- The picture of a night ---------------------------------------------------------------------------------

  function cover(box) {
    const [file, bar, words] = [".upload-file", ".upload-progress", ".upload-words"].map((name) => box.querySelector(name));
    const picture = box.querySelector(".cover-picture");
    const address = box.querySelector("[name=image_url]");
    const id = document.querySelector("[name=cloudinary_public_id]");
    const permit = permits(box.dataset.permit);

    function show(url) {
      picture.hidden = !/^https?:\/\//.test(url);
      if (!picture.hidden) picture.src = url;
    }

    // Another address is another picture, which is not ours to remove.
    address.addEventListener("change", () => { id.value = ""; show(address.value); });

    file.addEventListener("change", async () => {
      if (!file.files.length) return;
      bar.hidden = false;
      bar.value = 0;
      words.textContent = "Uploading…";
      try {
        const said = await send(file.files[0], await permit(), (percent) => { bar.value = percent; });
        address.value = said.secure_url;
        id.value = said.public_id;
        show(said.secure_url);
        words.textContent = "Uploaded. Save to keep it.";
      } catch (error) {
        words.textContent = error.message;
      }
      bar.hidden = true;
      file.value = "";
    });
    box.querySelector(".upload").hidden = false;
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-cover]").forEach(cover));
})();
