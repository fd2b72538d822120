// Brings a live page up to date: the same page is asked for again and its main
// part exchanged. What was opened stays open and what has the focus keeps it;
// while text is marked nothing is exchanged.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const button = document.getElementById("live");
  const stale = document.getElementById("stale");
  const made = document.getElementById("made");
  let running = true;
  const show = () => {
    button.setAttribute("aria-pressed", String(!running));
  };
  // How an element is found again among new ones: by its id, a link by where it leads.
  const place = (element) =>
    element.id ? "#" + CSS.escape(element.id) : 'a[href="' + CSS.escape(element.getAttribute("href") || "") + '"]';
  const exchange = (fresh) => {
    for (const open of main.querySelectorAll("details[open][id]")) {
      const same = fresh.querySelector(place(open));
      if (same) same.open = true;
    }
    const focused = main.contains(document.activeElement) && document.activeElement !== main && place(document.activeElement);
    // Somebody is on something that is gone: not under their hands.
    if (focused && !fresh.querySelector(focused)) return false;
    main.replaceChildren(...fresh.childNodes);
    if (focused) main.querySelector(focused).focus({ preventScroll: true });
    return true;
  };
  const refresh = async () => {
    if (!running || document.hidden || String(document.getSelection()) !== "") return;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin", signal: AbortSignal.timeout(25000) });
      // The login is over: the page that comes instead says why.
      if (answer.redirected || answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!exchange(page.querySelector("main"))) return;
      made.textContent = page.getElementById("made").textContent;
      made.dateTime = page.getElementById("made").dateTime;
      stale.hidden = true;
    } catch (error) {
      stale.textContent = "This page is not up to date, it is as of " + made.textContent + ": the machine does not answer (" + error.message + ").";
      stale.hidden = false;
    }
  };
  button.hidden = false;
  document.getElementById("reload").hidden = true;
  button.addEventListener("click", () => {
    running = !running;
    show();
    if (running) refresh();
  });
  show();
  setInterval(refresh, 10000);
})();
// The list of runbooks can be searched by name.
(() => {
  const field = document.getElementById("filter");
  if (!field) return;
  const entries = [...document.querySelectorAll("#runbooks li")];
  document.getElementById("filter-of").hidden = false;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
    const count = entries.filter((entry) => !entry.hidden).length;
    document.getElementById("found").textContent = wanted ? count + " of " + entries.length : "";
  });
})();
