// Shows the page anew every three seconds, but not under the hand of a reader
// who has selected something, and then says so. The focus stays, and how far
// tables are scrolled.
setInterval(async () => {
  const main = document.querySelector("main");
  const tell = (id, holds) => {
    const notice = document.getElementById(id);
    if (holds && notice.hidden) notice.querySelector("span").textContent = new Date().toLocaleTimeString([], { timeZoneName: "short" });
    notice.hidden = !holds;
  };
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (!answer.ok || !fresh) throw answer; // of a proxy, say
    const selected = String(getSelection()) !== "";
    tell("gone", false);
    tell("held", selected);
    if (selected) return;
    const stops = page => [...page.querySelectorAll("a, table")];
    const focused = stops(main).indexOf(document.activeElement);
    const scrolled = [...main.querySelectorAll("table")].map(t => t.scrollLeft);
    main.replaceWith(fresh);
    stops(fresh)[focused]?.focus({ preventScroll: true });
    fresh.querySelectorAll("table").forEach((t, i) => t.scrollLeft = scrolled[i] || 0);
  } catch {
    tell("held", false);
    tell("gone", true);
  }
}, 3000);
