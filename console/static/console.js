// What the templates cannot do: show what has changed, put choices into the address, ask before an action, count down.
(() => {
  let focused = null;
  const opened = new Map();
  const countdown = (seconds) => {
    const left = Math.max(0, Math.round(seconds));
    const parts = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const text = `${parts[1]}:${String(parts[2]).padStart(2, "0")}`;
    return parts[0] ? `${parts[0]}:${text.padStart(5, "0")}` : text;
  };
  const elapsed = (seconds) => (seconds < 9.995 ? `${seconds.toFixed(2)} s` : seconds < 59.5 ? `${seconds.toFixed(0)} s` : countdown(seconds));
  const ago = (seconds) => {
    const [size, unit] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86400 ? [3600, "h"] : [86400, "d"];
    return `${Math.floor(Math.max(0, seconds) / size)} ${unit} ago`;
  };
  const boxes = () => [...document.querySelectorAll(".picture .box")].filter((box) => box.getClientRects().length);
  const DIRECTIONS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

  // The server sends the parts of this page that are no longer as they were sent: `seen` says which those are.
  let stream = null;
  const listen = () => {
    stream?.close();
    if (!document.body.dataset.seen || document.hidden) return;
    const address = new URL(location);
    address.searchParams.set("seen", document.body.dataset.seen);
    stream = new EventSource(address);
    stream.onopen = () => { offline.hidden = true; document.body.dataset.live = true; };
    stream.onerror = () => { offline.hidden = false; };
    stream.onmessage = (message) => {
      document.body.dataset.seen = message.lastEventId;
      for (const [name, html] of Object.entries(JSON.parse(message.data))) if (!show(name, html)) forget(name);
    };
    stream.addEventListener("reload", () => location.reload());
  };
  const offline = document.getElementById("offline");
  const show = (name, html) => {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part || part.querySelector("dialog[open]")) return false;
    const scrolled = [...part.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    const before = part.querySelector("[data-announce]")?.dataset.announce, rowsBefore = saidBy(part);
    part.innerHTML = html;
    part.querySelectorAll(".scroll").forEach((one, number) => one.scrollTo(...(scrolled[number] ?? [0, 0])));
    const after = part.querySelector("[data-announce]")?.dataset.announce;
    if (after && after !== before) announce(after);
    const found = part.querySelector("[data-found]")?.dataset.found;
    if (found && Date.now() < askedUntil) announce(found);
    else for (const [key, text] of saidBy(part)) if (rowsBefore.get(key) !== text) news.set(key, text);
    tell();
    return true;
  };
  // What a person has asked for is answered with how much was found. What changes by itself is said row by row, but no
  // faster than it can be listened to, and never more than a few rows.
  const SILENCE = 10000, MOST_TOLD = 3;
  const news = new Map();
  let askedUntil = 0, toldAt = 0, telling = null;
  const saidBy = (part) => new Map([...part.querySelectorAll("[data-says]")].map((row) => [key(row.querySelector("[data-key]")), row.dataset.says]));
  const tell = () => {
    if (!news.size || telling) return;
    telling = setTimeout(() => {
      const said = [...news.values()], more = said.length - MOST_TOLD;
      announce([...said.slice(0, MOST_TOLD), ...(more > 0 ? [`${more} more changed`] : [])].join(". "));
      news.clear();
      [telling, toldAt] = [null, Date.now()];
    }, Math.max(0, toldAt + SILENCE - Date.now()));
  };
  const announce = (text) => { document.getElementById("announcer").textContent = text; };
  // A question that is open stays as it was asked, until it is closed.
  const forget = (name) => { document.body.dataset.seen = document.body.dataset.seen.replace(new RegExp(`(?<= )${name}=\\S+`), ""); };
  document.addEventListener("close", () => listen(), true);
  // What is chosen, searched and unfolded stands in the address: the page can be loaded again and sent to others.
  const ask = (name, value) => {
    const address = new URL(location);
    if (value) address.searchParams.set(name, value); else address.searchParams.delete(name);
    if (name !== "page") address.searchParams.delete("page");
    history.replaceState(null, "", address);
    askedUntil = Date.now() + 5000;
    news.clear();
    sheet();
    listen();
  };
  // On a phone, a chosen state covers the page.
  const sheet = () => document.documentElement.toggleAttribute("data-chosen", new URL(location).searchParams.has("state"));

  const open = (tab) => {
    for (const one of tab.parentElement.children) {
      one.ariaSelected = one === tab;
      one.tabIndex = one === tab ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = one !== tab;
    }
    const address = new URL(location);
    address.searchParams.set("tab", tab.id.replace("tab-", ""));
    history.replaceState(null, "", address);
    fill();
  };
  const fill = () => { for (const one of document.querySelectorAll("[role=tabpanel]:not([hidden]) > [data-load]")) load(one, one); };
  const emit = (sender) => ask(sender.dataset.emit, sender.dataset.value || "1");
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

  // Where a page may not write to the clipboard, the text can be selected.
  const copy = async (sender) => {
    const copied = await navigator.clipboard?.writeText(sender.dataset.copy).then(() => true, () => false);
    const said = copied ? "Copied" : sender.dataset.copy;
    document.getElementById("announcer").textContent = said;
    sender.textContent = said;
  };
  let typing = 0;
  document.addEventListener("input", (event) => {
    const { param } = event.target.dataset;
    if (!param) return;
    clearTimeout(typing);
    typing = setTimeout(() => ask(param, event.target.value.trim()), 200);
  });
  // A fragment that stays in the address takes the focus from what a later answer marks with autofocus.
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main").focus(); });
  document.addEventListener("click", (event) => {
    const sender = event.target.closest("[data-emit], [data-opens], [data-closes], [data-drops], [data-copy], [role=tab]");
    if (!sender) return;
    if (sender.role === "tab") open(sender);
    if (sender.dataset.drops) ask(sender.dataset.drops, "");
    if (sender.dataset.copy) copy(sender);
    if (sender.dataset.emit) emit(sender);
    if (sender.dataset.opens) document.getElementById(sender.dataset.opens).showModal();
    if ("closes" in sender.dataset) sender.closest("dialog").close();
  });
  document.addEventListener("submit", async (event) => {
    const form = event.target, button = event.submitter;
    if (button?.dataset.busy) {
      button.setAttribute("aria-busy", "true");
      [button.dataset.said, button.textContent] = [button.textContent, button.dataset.busy];
    }
    if (!("act" in form.dataset)) return;
    event.preventDefault();
    const ways = form.querySelectorAll(".sure");
    for (const one of ways) one.disabled = true;
    const headers = { accept: "text/plain" };
    const answer = await fetch(button.getAttribute("formaction") ?? form.action, { method: "POST", headers, body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    const said = answer ? await answer.text() : "The console does not answer.";
    if (answer?.ok) { form.closest("dialog")?.close(); return location.assign(said); }
    const refusal = form.querySelector(".refusal");
    [refusal.hidden, refusal.textContent] = [false, said];
    for (const one of ways) one.disabled = false;
    button.textContent = button.dataset.said;
    button.removeAttribute("aria-busy");
  });
  const rows = () => [...document.querySelectorAll("main tbody th :is(a, button), main .jobs-timeline > li > a")].filter((one) => one.getClientRects().length);
  const KEYS = {
    "?": () => document.getElementById("keys").showModal(),
    "/": () => {
      const field = document.querySelector("main [type=search]"), panel = field?.closest("[role=tabpanel]");
      if (panel?.hidden) open(document.getElementById(panel.getAttribute("aria-labelledby")));
      field?.focus();
    },
    j: () => step(1),
    k: () => step(-1),
  };
  const step = (by) => {
    const all = rows(), at = all.indexOf(document.activeElement);
    all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && document.documentElement.hasAttribute("data-chosen")) ask("state", "");
    const tab = event.target.closest?.("[role=tab]");
    if (tab && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      const next = event.key === "ArrowLeft" ? tab.previousElementSibling : tab.nextElementSibling;
      if (next) { open(next); next.focus(); }
    }
    if (!(event.key in KEYS) || event.target.closest?.("input, select, textarea")) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.(".picture .box");
    if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
    if ((event.key === "Enter" || event.key === " ") && box.matches("g")) {
      event.preventDefault();
      emit(box);
    }
    if (!(event.key in DIRECTIONS)) return;
    event.preventDefault();
    const next = neighbour(box, DIRECTIONS[event.key]);
    if (!next) return;
    if (box.matches("g")) for (const one of boxes()) one.setAttribute("tabindex", one === next ? "0" : "-1");
    next.focus();
  });
  // The upper left corners are compared: a box that holds others begins before them. Sideways counts threefold, except into a box.
  const neighbour = (box, [right, down]) => {
    const from = box.getBoundingClientRect();
    let best = null, least = Infinity;
    for (const one of boxes()) {
      const to = one.getBoundingClientRect();
      const middle = (rect) => (right ? rect.left : rect.left + rect.width / 2);
      const along = right * (to.left - from.left) + down * (to.top - from.top);
      const across = Math.abs(right ? to.top - from.top : middle(to) - middle(from));
      const inside = to.left >= from.left && to.right <= from.right && to.bottom <= from.bottom;
      const far = along + (inside ? 0.1 : 3) * across;
      if (one !== box && along > 1 && far < least) [best, least] = [one, far];
    }
    return best;
  };
  const key = (element) => element?.dataset?.key ?? null;
  document.addEventListener("focusin", (event) => { focused = key(event.target); });
  document.addEventListener("focusout", (event) => { if (event.target.isConnected && event.relatedTarget) focused = null; });
  document.addEventListener("toggle", async (event) => {
    const part = event.target;
    if (!part.dataset?.key) return;
    opened.set(part.dataset.key, part.open);
    if (part.open && part.dataset.load) load(part, part.querySelector("pre"));
  }, true);
  const load = async (part, place) => {
    const url = part.dataset.load;
    delete part.dataset.load;
    const answer = await fetch(url).catch(() => null);
    place.textContent = answer?.ok ? await answer.text() : "It could not be read.";
  };

  const prepare = () => {
    for (const part of document.querySelectorAll("details[data-key]")) {
      const wanted = opened.get(part.dataset.key);
      if (wanted !== undefined && part.open !== wanted) part.open = wanted;
    }
    if (focused && document.activeElement === document.body) {
      const same = [...document.querySelectorAll(`[data-key="${CSS.escape(focused)}"]`)].find((one) => one.getClientRects().length);
      // What was unfolded is gone.
      const again = same ?? (focused === "others" ? boxes().at(-1) : null);
      again?.focus({ preventScroll: true });
    }
    tick();
  };
  let waiting = false;
  new MutationObserver(() => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; prepare(); });
  }).observe(document.documentElement, { childList: true, subtree: true });

  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tick = () => {
    const now = Date.now();
    for (const place of document.querySelectorAll("[data-due]")) write(place, countdown((Number(place.dataset.due) - now) / 1000));
    for (const place of document.querySelectorAll("[data-ago]")) write(place, ago((now - Number(place.dataset.ago)) / 1000));
    for (const place of document.querySelectorAll("[data-since]")) write(place, elapsed((now - Number(place.dataset.since)) / 1000));
  };
  setInterval(tick, 250);
  document.querySelector("dialog[data-open]")?.showModal();
  prepare();
  sheet();
  fill();
  listen();
})();
