// Single keys, and the list of them. Off in fields; whoever wants none switches them off.
"use strict";
(() => {
  const dialog = document.getElementById("keys");
  const open = document.getElementById("keys-open");
  const box = document.getElementById("keys-on");
  if (!dialog) return;

  const STORE = "backfilld_keys";
  let on = true;
  try {
    on = localStorage.getItem(STORE) !== "off";
  } catch { /* a browser that keeps nothing */ }
  let going = -Infinity; // when g was pressed

  box.checked = on;
  box.addEventListener("change", () => {
    on = box.checked;
    try {
      localStorage.setItem(STORE, on ? "on" : "off");
    } catch { /* then it holds for this page */ }
  });
  open.hidden = false;
  open.addEventListener("click", () => dialog.showModal());

  function row(step) {
    const links = [...document.querySelectorAll("[data-rows] th a")];
    const at = links.indexOf(document.activeElement);
    links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
  }

  const ACTS = {
    "/": () => document.querySelector("[data-find]")?.focus(),
    "?": () => dialog.showModal(),
    h: () => document.getElementById("hold")?.click(),
    j: () => row(1),
    k: () => row(-1),
    Escape: () => document.getElementById("back")?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (!on || dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field && !dialog.contains(field)) return; // one in a closed dialog is none
    if (event.timeStamp - going < 1500 && /^[a-z]$/.test(event.key)) {
      going = -Infinity;
      const page = document.querySelector(`[data-go="${event.key}"]`);
      if (page) {
        event.preventDefault();
        page.click();
        return;
      }
    }
    if (event.key === "g") {
      going = event.timeStamp;
      return;
    }
    const act = Object.hasOwn(ACTS, event.key) ? ACTS[event.key] : null;
    if (act) {
      event.preventDefault();
      act();
    }
  });
})();
