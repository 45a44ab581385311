// Shows the page anew every three seconds, but not under the hand of a reader
// who has selected something, and keeps how far tables are scrolled.
setInterval(async () => {
  const main = document.querySelector("main"), gone = document.getElementById("gone");
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
    if (!answer.ok || !fresh) throw answer; // of a proxy, say
    const scrolled = [...main.querySelectorAll("table")].map(t => t.scrollLeft);
    if (String(getSelection())) return;
    main.replaceWith(fresh);
    fresh.querySelectorAll("table").forEach((t, i) => t.scrollLeft = scrolled[i] || 0);
    gone.hidden = true;
  } catch {
    if (gone.hidden) gone.querySelector("span").textContent = new Date().toLocaleTimeString();
    gone.hidden = false;
  }
}, 3000);
