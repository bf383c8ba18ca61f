// A log where one is shown: a window of some thousand rows in groups. They come from the pages of
// the log, which work without this file, and go when they are far away.
"use strict";
(() => {
  const { $, $$, byId, ended, hangUp, head, listen, load, mark, on, parse, parsePage, visit } = window.img;
  const KEEP = 3000; // rows on the page at most
  const GROUP = 100; // rows in a group at most
  const panel = $(".panel.log:has([data-lines])"); // none where a list of hits is shown
  if (!panel) return;
  const lines = $("[data-lines]", panel);
  const button = $("[data-follow]", panel);
  const { url, log: events } = panel.dataset;
  let total = Number(panel.dataset.total); // lines of the whole log
  let marked = panel.dataset.mark;
  let follow = false;
  let turn = 0; // which of several places was asked for last
  let opening = false; // it is on its way
  let busy = false; // further rows are
  let steps = 0; // changes of what is seen
  let seen = 0; // where the lines were scrolled to
  let waiting = []; // events to be drawn
  let time; // of the last line among them

  const number = (row) => Number(row?.id.slice(1) ?? 0);
  const first = (all = lines) => number(all.firstElementChild?.firstElementChild);
  const last = (all = lines) => number(all.lastElementChild?.lastElementChild);
  const fetchPanel = async (address) => $(".panel.log", parsePage(await load(address)));

  // ---- What is on the page ----

  const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const tell = () => {
    for (const link of $$("[data-turn]", panel)) link.hidden = true;
    const place = $("[data-span]", panel);
    if (place && first()) place.textContent = `Lines ${grouped(first())} to ${grouped(last())} of ${grouped(total)}`;
    const facts = events && total > 1 && byId("log-facts").firstChild;
    if (facts) facts.data = facts.data.replace(/^[\d\u202f]+ lines?/, `${grouped(total)} lines`);
    if (marked) mark("mark", byId(`L${marked}`), lines);
  };

  const set = (value) => {
    follow = Boolean(value);
    button?.setAttribute("aria-pressed", follow);
  };

  // A row that was never drawn is as high as it turns out to be: look twice.
  const settled = (act) => {
    const mine = ++steps;
    act();
    seen = lines.scrollTop;
    requestAnimationFrame(() => {
      if (mine !== steps) return;
      act();
      look();
    });
  };
  const toEnd = () => (lines.scrollTop = lines.scrollHeight);
  const show = (row) => {
    set(false);
    settled(() => {
      lines.scrollIntoView({ block: "nearest" });
      lines.scrollTop += row.getBoundingClientRect().top - lines.getBoundingClientRect().top - lines.clientHeight / 2;
    });
  };

  const drop = (top, room = 0) => {
    while (first() && last() - first() >= KEEP - room) lines[`${top ? "first" : "last"}ElementChild`].remove();
  };

  // Rows from above or below; what is read stays where it is.
  const more = async (above) => {
    if (busy || (above ? first() <= 1 : last() >= total)) return;
    busy = true;
    const mine = turn;
    const fresh = await fetchPanel(url + (above ? `?before=${first()}` : `?from=${last() + 1}`));
    busy = false;
    if (!fresh || mine !== turn || follow) return;
    total = Math.max(total, fresh.dataset.total);
    const news = $("[data-lines]", fresh);
    if (above ? last(news) + 1 !== first() : first(news) !== last() + 1) return;
    const stays = above ? lines.firstElementChild : lines.lastElementChild;
    const place = () => stays?.getBoundingClientRect().top ?? 0;
    const before = place();
    lines[above ? "prepend" : "append"](...news.children);
    drop(!above);
    lines.scrollTop += place() - before;
    seen = lines.scrollTop;
    tell();
    look();
  };

  // Another place of the log, as its page shows it.
  const open = async (address) => {
    const mine = ++turn;
    opening = true;
    const fresh = await fetchPanel(address);
    if (mine !== turn) return false;
    opening = false;
    if (!fresh) return location.assign(address);
    $("[data-bar]", panel).replaceChildren(...$("[data-bar]", fresh).childNodes);
    lines.replaceChildren(...$("[data-lines]", fresh).children);
    total = Math.max(total, fresh.dataset.total);
    arrive(fresh.dataset.mark);
    return true;
  };

  const arrive = (n) => {
    marked = n;
    set(false);
    tell();
    const row = n && byId(`L${n}`);
    if (row) show(row);
    else settled(() => (lines.scrollTop = 0));
  };

  const openEnd = async () => {
    if (last() < total && !(await open(url))) return;
    set(events);
    settled(toEnd);
  };

  const toHash = () => {
    const n = /^#L(\d+)$/.exec(location.hash)?.[1];
    if (n) byId(`L${n}`) ? arrive(n) : open(`${url}?line=${n}`);
    return n;
  };

  // ---- Where somebody looks ----

  const look = () => {
    const { scrollTop, scrollHeight, clientHeight } = lines;
    const below = scrollHeight - scrollTop - clientHeight;
    if (below < 4) set(follow || (events && last() >= total));
    else if (scrollTop < seen - 1) set(false);
    seen = scrollTop;
    if (follow) return;
    if (scrollTop < clientHeight) more(true);
    else if (below < clientHeight) more(false);
  };

  const stop = () => lines.scrollTop && set(false);
  on(lines, "scroll", look, { passive: true });
  on(lines, "wheel", (event) => event.deltaY < 0 && stop(), { passive: true });
  on(lines, "touchmove", stop, { passive: true });
  on(lines, "keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (/ArrowUp|PageUp/.test(event.key)) stop();
    if (event.key === "Home" && first() > 1) open(`${url}?from=1`);
    else if (event.key === "End") openEnd();
    else return;
    event.preventDefault();
  });

  on(document, "click", async (event) => {
    const link = event.target.closest("a[data-jump]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { jump } = link.dataset;
    if (jump === "end") return openEnd();
    if (!(await open(link.href))) return;
    if (location.pathname === url) visit(marked && !jump ? `${url}?line=${marked}#L${marked}` : link.href);
    if (!link.isConnected) ($(`[data-jump=${jump}]`, panel) ?? lines).focus(); // it was drawn anew
  });
  on(window, "hashchange", toHash);

  // ---- What is printed meanwhile ----

  // An event: the number of its first line and `line:time` where the time changes; then the lines.
  const rowsOf = ({ at, times, texts }) =>
    texts.map((text, n) => {
      while (parseInt(times[0]) <= at + n) time = new Date(Number(times.shift().split(":")[1]));
      const told = time ? ` data-t="${time.toISOString().slice(11, 23)}"` : "";
      return `<span id="L${at + n}" class="line"${told}><a href="#L${at + n}">${at + n}</a>${text}\n</span>`;
    });

  // Many events make one change of the page: a fast log costs one drawing per frame.
  const soon = () => (document.hidden ? setTimeout(flush, 500) : requestAnimationFrame(flush));
  const flush = () => {
    if (opening) return soon();
    // A line that is there already does not come again, nor does what would be dropped at once.
    const news = total - Math.max(last(), total - KEEP);
    const rows = follow && news ? waiting.flatMap(rowsOf).slice(-news) : [];
    waiting = [];
    if (!rows.length) return tell();
    if (rows.length < total - last()) lines.replaceChildren();
    drop(true, rows.length);
    while (rows.length) {
      let group = lines.lastElementChild;
      if (!(group?.childElementCount < GROUP)) lines.append((group = parse(`<span class="rows"></span>`).firstChild));
      group.append(parse(rows.splice(0, GROUP - group.childElementCount).join("")));
    }
    tell();
    settled(() => follow && toEnd());
  };

  const following = () => {
    button.hidden = false;
    on(button, "click", () => (follow ? set(false) : openEnd()));
    const source = listen(events, {
      log: ({ data }) => {
        const [about, ...texts] = data.split("\n");
        const [at, ...times] = about.split(" ");
        if (!waiting.length) soon();
        waiting.push({ at: Number(at), times, texts });
        total = Math.max(total, Number(at) + texts.length - 1);
        waiting = waiting.filter((event) => event.at + event.texts.length > total - KEEP);
      },
      head: ({ data }) => head(data),
      end: () => {
        hangUp(source);
        button.hidden = true;
        ended();
      },
    });
  };

  lines.dataset.on = "";
  tell();
  if (events) following();
  if (toHash()) return;
  if (marked) arrive(marked);
  else if (location.search) look();
  else openEnd();
})();
