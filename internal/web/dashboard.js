// Shows the page anew every three seconds, but not under the hand of a reader
// who has selected something, and then says so.
// Two headings with other words are not alike, other elements with other insides are.
const shell = node => node.cloneNode(node.nodeName === "H3");
const alike = (a, b) => a.nodeName === b.nodeName && shell(a).isEqualNode(shell(b));
// Makes old what fresh is, and leaves alone what is the same in both: so the
// focus, the place on the page and a screen reader's cursor stay.
const renew = (old, fresh) => {
  let next = old.firstChild;
  const dropUntil = end => {
    while (next !== end) {
      const over = next;
      next = next.nextSibling;
      over.remove();
    }
  };
  for (const child of [...fresh.childNodes]) {
    let same = next;
    while (same && !alike(same, child)) same = child.nodeName === "#text" ? null : same.nextSibling; // one space is like any other
    if (same) {
      dropUntil(same);
      renew(same, child);
      next = same.nextSibling;
    } else {
      old.insertBefore(child, next);
    }
  }
  dropUntil(null);
};
setInterval(async () => {
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
    if (!selected) renew(document.querySelector("main"), fresh);
  } catch {
    tell("held", false);
    tell("gone", true);
  }
}, 3000);
