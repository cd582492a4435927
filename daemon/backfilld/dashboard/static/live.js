// Keeps a page live: holds it when asked, says when its numbers are old, and asks again.
// The stream itself is htmx's; what it brings is HTML that the server made.
"use strict";
(() => {
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  const hold = document.getElementById("hold");
  if (!live) return;

  const OLD_MS = 7000; // the stream brings something every two seconds
  const POLL_MS = 5000; // while it does not, somebody asks
  const once = live.dataset.live + (live.dataset.live.includes("?") ? "&" : "?") + "once=1";
  let last = performance.now(); // when the numbers were last of now
  let streamed = last; // when the stream last brought some
  let tried = 0;
  let held = false;
  let isLost = false;
  let signedOut = false;
  let connection = null;

  const asOf = () => document.getElementById("as-of-time");

  function fresh() {
    last = performance.now();
    signedOut = false;
    tell();
  }

  // a button that would do nothing now says so, and stays where the focus may be
  function acts(off) {
    for (const one of document.querySelectorAll("[data-acts]")) {
      if (off) {
        one.setAttribute("aria-disabled", "true");
        one.setAttribute("aria-describedby", "lost-says");
      } else if (one.getAttribute("aria-describedby") === "lost-says") {
        one.removeAttribute("aria-disabled");
        one.removeAttribute("aria-describedby");
      }
    }
  }

  function tell() {
    const age = performance.now() - last;
    isLost = !held && (signedOut || age > OLD_MS);
    lost.hidden = !isLost;
    document.body.classList.toggle("stale", isLost);
    acts(isLost);
    if (!isLost) return;
    const next = Math.max(0, Math.ceil((tried + POLL_MS - performance.now()) / 1000));
    const numbers = `Numbers from ${asOf().textContent} (${Math.round(age / 1000)} s ago).`;
    const why = signedOut
      ? "This browser is signed out. Sign in again: backfillctl dashboard."
      : `backfilld does not answer. Trying again in ${next} s.`;
    const text = `${numbers} ${why}`;
    const says = document.getElementById("lost-says");
    if (says.textContent !== text) says.textContent = text;
  }

  function stop() {
    connection?.reader?.cancel();
  }

  function toggle() {
    held = !held;
    hold.setAttribute("aria-pressed", String(held));
    document.getElementById("held").hidden = !held;
    if (held) stop();
    else {
      last = streamed = performance.now();
      htmx.trigger(live, "live-again");
    }
    tell();
  }

  document.addEventListener("htmx:sse:before:connection", (event) => {
    connection = event.detail.connection;
    if (held) event.preventDefault();
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (held) {
      event.preventDefault();
      stop();
    }
  });
  document.addEventListener("htmx:sse:after:message", () => {
    streamed = performance.now();
    fresh();
  });
  document.addEventListener("htmx:sse:error", (event) => {
    signedOut = event.detail.status === 401;
    tell();
  });
  document.addEventListener("htmx:response:error", (event) => {
    signedOut = event.detail.ctx.response.status === 401;
    tell();
  });
  live.addEventListener("htmx:after:swap", fresh);

  document.addEventListener("click", (event) => {
    if (isLost && event.target.closest("[data-acts]")) event.preventDefault();
  }, true);
  document.addEventListener("submit", (event) => {
    if (isLost && event.target.method === "post") event.preventDefault();
  }, true);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) last = streamed = performance.now();
  });

  setInterval(() => {
    if (held || document.hidden) return;
    const now = performance.now();
    if (now - streamed > OLD_MS && now - tried > POLL_MS) {
      tried = now;
      htmx.ajax("GET", once, { source: live, target: live, swap: "innerHTML" });
      htmx.trigger(live, "live-again");
    }
    tell();
  }, 1000);

  hold.hidden = false;
  hold.addEventListener("click", toggle);
})();
