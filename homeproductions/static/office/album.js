// The pictures of an album: many uploads at once, and their order by dragging. Without it, numbers do the same.
"use strict";

(() => {
  const AT_ONCE = 3;

  // --- Uploads --------------------------------------------------------------------------------------------------

  function uploads(box) {
    const { ask, permits, send } = window.office;
    const find = (name) => box.querySelector(name);
    const [file, list, all, bar, words, again] = [
      ".upload-file", ".upload-list", ".upload-all", ".upload-progress", ".upload-words", ".upload-again",
    ].map(find);
    const permit = permits(box.dataset.permit);
    const waiting = [];
    let failed = [];
    let total = 0;
    let done = 0;
    let running = 0;
    // Pictures join the album in the order in which they were chosen, whichever arrives first.
    let joined = Promise.resolve();

    function row(picture) {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = picture.name;
      const progress = document.createElement("progress");
      progress.max = 100;
      progress.value = 0;
      progress.setAttribute("aria-label", picture.name);
      const state = document.createElement("span");
      state.className = "upload-state";
      item.append(name, progress, state);
      list.append(item);
      return { picture, item, progress, state };
    }

    function show() {
      all.hidden = false;
      bar.max = total;
      bar.value = done;
      again.hidden = !failed.length || running > 0;
      words.textContent = failed.length ? `${done} of ${total} uploaded, ${failed.length} failed.` : `${done} of ${total} uploaded.`;
      if (done === total && !document.querySelector("[data-album].is-changed")) window.location.assign(box.dataset.after);
      else if (done === total) words.textContent += " Save your changes below to see them.";
    }

    async function one(entry, turn) {
      try {
        const said = await send(entry.picture, await permit(), (percent) => { entry.progress.value = percent; });
        await turn;
        await ask(box.dataset.add, { url: said.secure_url, public_id: said.public_id });
        entry.item.remove();
        done += 1;
      } catch (error) {
        await turn;
        entry.state.textContent = error.message;
        entry.item.classList.add("is-failed");
        failed.push(entry);
      }
    }

    function next() {
      while (running < AT_ONCE && waiting.length) {
        running += 1;
        joined = one(waiting.shift(), joined).then(() => {
          running -= 1;
          show();
          next();
        });
      }
    }

    function take(pictures) {
      const chosen = [...pictures].filter((each) => each.type.startsWith("image/"));
      total += chosen.length;
      waiting.push(...chosen.map(row));
      if (chosen.length) show();
      next();
    }

    again.addEventListener("click", () => {
      const entries = failed;
      failed = [];
      entries.forEach((entry) => {
        entry.state.textContent = "";
        entry.item.classList.remove("is-failed");
      });
      waiting.push(...entries);
      next();
      show();
    });
    file.addEventListener("change", () => { take(file.files); file.value = ""; });
    box.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); box.classList.add("is-over"); }
    });
    box.addEventListener("dragleave", () => box.classList.remove("is-over"));
    box.addEventListener("drop", (event) => {
      event.preventDefault();
      box.classList.remove("is-over");
      take(event.dataTransfer.files);
    });
    window.addEventListener("beforeunload", (event) => { if (running) event.preventDefault(); });
    box.hidden = false;
  }

  // --- Order ------------------------------------------------------------------------------------------------------

  function album(form) {
    const pictures = form.querySelector(".pictures");
    let dragged = null;

    function number() {
      [...pictures.children].forEach((each, index) => { each.querySelector(".place").value = pictures.start + index; });
      form.classList.add("is-changed");
    }

    [...pictures.children].forEach((picture) => { picture.draggable = true; });
    pictures.addEventListener("dragstart", (event) => {
      dragged = event.target.closest("[data-picture]");
      if (dragged) dragged.classList.add("is-dragged");
    });
    pictures.addEventListener("dragover", (event) => {
      const under = event.target.closest("[data-picture]");
      if (!dragged) return;
      event.preventDefault();
      if (!under || under === dragged) return;
      const isLater = dragged.compareDocumentPosition(under) & Node.DOCUMENT_POSITION_FOLLOWING;
      under[isLater ? "after" : "before"](dragged);
    });
    pictures.addEventListener("drop", (event) => { if (dragged) event.preventDefault(); });
    pictures.addEventListener("dragend", () => {
      if (dragged) { dragged.classList.remove("is-dragged"); number(); }
      dragged = null;
    });
    form.addEventListener("input", () => form.classList.add("is-changed"));
  }

  document.querySelectorAll("[data-uploads]").forEach(uploads);
  document.querySelectorAll("[data-album]").forEach(album);
})();
