// Brings a live page up to date: the same page is asked for again and its main
// part exchanged. Not while somebody is in it: what has the focus, is marked or
// was opened must not change under a reader.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const button = document.getElementById("live");
  let running = true;
  const show = () => {
    button.setAttribute("aria-pressed", String(running));
    button.textContent = running ? "Pause updates" : "Resume updates";
  };
  const isRead = () =>
    main.contains(document.activeElement) ||
    main.querySelector("details[open]") !== null ||
    String(document.getSelection()) !== "";
  const refresh = async () => {
    if (!running || document.hidden || isRead()) return;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin" });
      if (answer.redirected) return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main.replaceChildren(...page.querySelector("main").childNodes);
      document.getElementById("made").textContent = page.getElementById("made").textContent;
    } catch (error) {
      document.getElementById("made").textContent = "cannot be brought up to date: " + error.message;
    }
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    running = !running;
    show();
    if (running) refresh();
  });
  show();
  setInterval(refresh, 10000);
})();
