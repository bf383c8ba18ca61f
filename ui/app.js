// Everything works without this file; it makes pages live and forms quick. One function per
// subject, each looking for its own data attributes, so that a page swapped in can be set up again.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const on = (target, name, act, options) => target.addEventListener(name, act, options);
  const say = (el, text) => el.textContent === text || (el.textContent = text);
  const counted = (n, word) => (n === 1 ? `1 ${word}` : `${n} ${word}s`);
  const streams = new Set();
  let dirty = false;
  let skew = 0;

  // The server escaped every piece of HTML that comes this way.
  const parse = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };
  const parsePage = (html) => new DOMParser().parseFromString(html, "text/html");

  // The text of an answer; empty if there is none, as offline.
  const load = async (url, options) => {
    try {
      const answer = await fetch(url, options);
      return answer.ok ? await answer.text() : "";
    } catch {
      return "";
    }
  };

  const listen = (url, handlers) => {
    const source = new EventSource(url);
    for (const name in handlers) on(source, name, handlers[name]);
    streams.add(source);
    return source;
  };
  const hangUp = (source) => {
    source.close();
    streams.delete(source);
  };

  // Moves a class to `to` from whatever has it.
  const mark = (name, to, root) => {
    for (const old of $$(`.${name}`, root)) old.classList.remove(name);
    to?.classList.add(name);
  };

  const kept = (key, value) => {
    try {
      if (value) localStorage[key] = value;
      return localStorage[key];
    } catch {
      return null; // storage may be forbidden: then nothing is remembered
    }
  };

  // ---- Times ----

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    const two = (big, unit, small, less) => {
      const rest = Math.floor((s % big) / small);
      return `${Math.floor(s / big)} ${unit}` + (rest ? ` ${rest} ${less}` : "");
    };
    if (s < 60) return `${s} s`;
    if (s < 3600) return two(60, "min", 1, "s");
    return s < 86400 ? two(3600, "h", 60, "min") : two(86400, "d", 3600, "h");
  };
  const now = () => Date.now() + skew;

  const tick = () => {
    if (document.hidden) return;
    for (const el of $$("[data-since]")) say(el, span((now() - el.dataset.since) / 1000));
    const coarse = (s) => span(s < 60 || s >= 3600 ? s : s - (s % 60));
    for (const el of $$("time[data-rel]")) {
      const ahead = (Date.parse(el.dateTime) - now()) / 1000;
      say(el, ahead > 0 ? `in ${coarse(ahead)}` : `${coarse(-ahead)} ago`);
    }
  };

  // ---- Queue ----

  const rows = () => {
    const table = $("table[data-rows]");
    if (!table) return;
    const body = table.tBodies[0];
    const some = () => {
      table.hidden = false;
      $("[data-none]")?.remove();
    };
    listen(table.dataset.rows, {
      row: (event) => {
        const row = $("tr", parse(event.data));
        if (!row) return;
        const old = byId(row.id);
        const focused = old?.contains(document.activeElement) && document.activeElement;
        if (focused && old.outerHTML === row.outerHTML) return;
        row.classList.add("fresh");
        if (old) {
          old.replaceWith(row);
          if (focused) $$("a", row).find((a) => a.href === focused.href)?.focus();
          return;
        }
        some();
        body.prepend(row);
        while (body.rows.length > table.dataset.size) body.lastElementChild.remove();
      },
      gone: (event) => byId(`job-${event.data}`)?.remove(),
      reload: async () => {
        const whole = parsePage(await load(location.href));
        const news = $("[data-news]", whole);
        if (news && news.innerHTML !== $("[data-news]").innerHTML) $("[data-news]").replaceChildren(...news.children);
        const fresh = $("table[data-rows]", whole);
        if (!fresh?.tBodies[0].rows.length) return;
        some();
        body.replaceChildren(...fresh.tBodies[0].rows);
      },
    });
  };

  on(document, "change", ({ target }) => {
    if (target.matches("[data-auto] select, [data-go]")) target.form.requestSubmit();
  });

  // ---- Lists ----

  // One box ticks the page, Shift a range; whoever ticks means the ticked rows.
  const ticks = () => {
    const form = $("form[data-list]");
    const all = form && $("[data-all]", form);
    if (!all) return;
    all.hidden = false;
    const boxes = $$("[name=id]", form);
    const count = () => {
      const ticked = boxes.filter((box) => box.checked).length;
      say($("[data-ticked]", form), `${ticked} of ${boxes.length} ticked`);
      all.checked = ticked > 0 && ticked === boxes.length;
      all.indeterminate = ticked > 0 && !all.checked;
    };
    let last;
    on(form, "click", ({ target, shiftKey }) => {
      const at = boxes.indexOf(target);
      if (at < 0 && target !== all) return;
      const from = shiftKey ? last : at;
      boxes.forEach((box, n) => {
        const between = (n - from) * (n - at) <= 0;
        if (between || target === all) box.checked = target.checked;
      });
      last = at;
      const scope = $("[name=scope][value=ticked]", form);
      if (scope && target.checked) scope.checked = true;
      count();
    });
    count();
    on(window, "pageshow", count); // a browser that goes back ticks again what was ticked
  };

  // ---- Jobs ----

  const head = (html) => {
    const place = byId("head");
    if (!place) return;
    const before = $("[data-state]", place)?.dataset.state;
    place.replaceChildren(parse(html));
    const box = $("[data-state]", place);
    if (box && box.dataset.state !== before) byId("announce").textContent = $(".state", box).textContent;
  };

  // What a job leaves behind is drawn by the server: fetch the page and take those parts.
  const ended = async () => {
    const page = parsePage(await load(location.href));
    for (const id of ["head", "results", "actions", "log-facts"]) {
      const fresh = page.getElementById(id);
      if (fresh) byId(id)?.replaceWith(document.adoptNode(fresh));
    }
  };

  // Boxes that stay as they were left.
  const remembered = () => {
    for (const box of $$("[data-keep]")) {
      const key = box.dataset.keep;
      if (kept(key)) box.checked = kept(key) === "on";
      on(box, "change", () => kept(key, box.checked ? "on" : "off"));
    }
  };

  // ---- Forms ----

  // What was typed is not left behind unasked.
  const GUARDED = "[data-guard], [data-submit]";
  on(document, "input", ({ target }) => {
    if (target.closest(GUARDED)) dirty = true;
  });
  on(document, "submit", ({ target }) => {
    if (target.matches(GUARDED)) dirty = false;
  });

  const submitForm = () => {
    const form = $("form[data-submit]");
    if (!form) return;
    const touched = new Set();
    for (const el of $$("[data-nojs]", form)) el.hidden = true;
    on(form, "input", (event) => touched.add(event.target.name));
    sources(form);
    const choose = choices(form);
    marking(form);
    dropping(form);
    inspecting(form, touched, choose);
    uploading(form);
  };

  const sources = (form) => {
    const set = () => {
      const source = form.elements.source.value;
      for (const part of $$("[data-source]", form)) part.hidden = part.dataset.source !== source;
    };
    on(form, "change", set);
    set();
  };

  // Runner → its image types and fields; image type → its architectures.
  const choices = (form) => {
    const { runner, image_type: type, arch } = form.elements;
    const groups = $$("optgroup", type);
    const archs = [...arch.options].slice(1);
    const only = (select, wanted) => {
      const { value, options } = select;
      select.replaceChildren(options[0], ...wanted);
      select.value = value;
      if (select.selectedIndex < 1) select.selectedIndex = options.length === 2 ? 1 : 0;
    };
    const setArchs = () => {
      const known = type.selectedOptions[0]?.dataset.archs?.split(" ");
      only(arch, known ? archs.filter((o) => known.includes(o.value)) : archs);
    };
    const setRunner = () => {
      const id = runner.value;
      only(type, id ? groups.filter((g) => g.firstElementChild?.dataset.runner === id) : groups);
      for (const part of $$("fieldset[data-runner], .help [data-runner]")) {
        part.hidden = part.disabled = part.dataset.runner !== id;
      }
      const label = runner.selectedOptions?.[0]?.dataset.label;
      const place = $("span[data-label]", form);
      if (place && label) place.textContent = label;
      setArchs();
    };
    if (runner.options) {
      on(runner, "change", setRunner);
      // A type that only one runner builds says which runner it is.
      on(type, "change", () => {
        const id = type.selectedOptions[0]?.dataset.runner;
        if (!id || runner.value) return;
        runner.value = id;
        setRunner();
      });
    }
    on(type, "change", setArchs);
    setRunner();
    return setRunner;
  };

  const marking = (form) => {
    on(form, "focusin", (event) => {
      const entry = event.target.closest("[data-help]")?.dataset.help;
      mark("on", byId(`help-${entry}`));
    });
  };

  const dropping = (form) => {
    const { file } = form.elements;
    const taking = (name, over) =>
      on(form, name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        form.classList.toggle("drag", over);
        if (over) return;
        $('[name=source][value=upload]', form).click();
        file.files = event.dataTransfer.files;
        file.dispatchEvent(new Event("change", { bubbles: true }));
      });
    taking("dragover", true);
    taking("drop", false);
    on(form, "dragleave", (event) => form.contains(event.relatedTarget) || form.classList.remove("drag"));
  };

  const inspecting = (form, touched, choose) => {
    const { file, runner, name, image_type: type, arch, definition } = form.elements;
    const place = $("[data-inspected]", form);
    let turn = 0;
    const inspect = async () => {
      const mine = ++turn;
      const body = new FormData(form);
      body.set("action", "inspect");
      const html = await load(form.dataset.inspect, { method: "POST", body });
      if (mine !== turn) return;
      place.replaceChildren(parse(html)); // without an answer, Submit checks the same again
      const said = $(".inspect", place)?.dataset;
      if (said) fill(said);
    };
    const fill = (said) => {
      const put = (field, value) => {
        if (value && field && !touched.has(field.name)) field.value = value;
      };
      put(runner, said.runner);
      choose();
      put(name, said.name);
      put(type, said.type);
      choose();
      put(arch, said.arch);
    };
    const byName = () => {
      const ext = file.files[0].name.split(".").pop().toLowerCase();
      if (!runner.options || touched.has("runner") || !ext) return;
      const fits = [...runner.options].filter((o) => o.dataset.ext?.split(" ").includes(ext));
      if (fits.length === 1) runner.value = fits[0].value;
      choose();
    };
    on(file, "change", () => {
      if (!file.files.length) return;
      byName();
      inspect();
    });
    // A text without a name says what it is only to a runner that was chosen.
    const pasted = () => definition.value.trim() && runner.value;
    for (const field of [definition, runner])
      on(field, "change", () => (pasted() || file.files.length) && inspect());
  };

  // Sends a large file with a progress bar, then shows the answer as the browser would have.
  const BIG = 200 * 1024;
  const uploading = (form) => {
    const { source, file } = form.elements;
    let plain = false;
    on(form, "submit", (event) => {
      if (plain || source.value !== "upload" || !(file.files[0]?.size >= BIG)) return;
      event.preventDefault();
      const place = $("[data-upload]", form);
      const request = new XMLHttpRequest();
      request.open("POST", form.getAttribute("action")); // a button is called "action", too
      on(request.upload, "progress", (e) => {
        $("progress", place).value = (100 * e.loaded) / e.total || 0;
      });
      on(request, "load", () => turnTo(request.responseText, request.responseURL));
      on(request, "error", () => {
        plain = true;
        form.requestSubmit(event.submitter);
      });
      place.hidden = false;
      request.send(new FormData(form, event.submitter));
    });
  };

  const turnTo = (html, url) => {
    const page = parsePage(html);
    leave();
    document.title = page.title;
    document.body.replaceWith(document.adoptNode(page.body));
    visit(url);
    scrollTo(0, 0);
    setUp();
    // Scripts of another document do not run by themselves.
    for (const { src } of $$("script", page)) {
      if (!$$("script").some((old) => old.src === src)) document.head.append(Object.assign(document.createElement("script"), { src }));
    }
    for (const link of $$("link[rel=stylesheet]", page)) document.head.append(link);
  };

  // ---- Palette: Ctrl+K, and where to go ----

  // The links stay links: arrows move the focus among them, Enter in the field follows the first.
  const preparePalette = async () => {
    const box = $("dialog", parse(await load("/palette")));
    if (!box) return null;
    const input = $("input", box);
    const links = () => $$("li:not([hidden]) a", box);
    const narrow = () => {
      const text = input.value.trim();
      const words = text.toLowerCase().split(/\s+/);
      for (const item of $$("li", box)) {
        const { typed, to } = item.dataset;
        item.hidden = typed
          ? !RegExp(typed).test(text)
          : !words.every((word) => item.textContent.toLowerCase().includes(word));
        if (!typed) continue;
        $("a", item).href = to + encodeURIComponent(text);
        $("b", item).textContent = text;
      }
      say($("[role=status]", box), counted(links().length, "result"));
    };
    on(input, "input", narrow);
    on(box, "keydown", (event) => {
      const all = links();
      const at = all.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) (all[at + step] ?? input).focus();
      else if (event.key === "Enter" && at < 0) all[0]?.click();
      else return;
      event.preventDefault();
    });
    narrow();
    return box;
  };

  let palette;
  on(document, "keydown", async (event) => {
    if (event.key !== "k" || event.ctrlKey === event.metaKey || event.altKey || !$(".tabs")) return;
    event.preventDefault();
    const box = await (palette ??= preparePalette());
    if (!box) palette = null; // once more, next time
    if (!box || box.open) return;
    document.body.append(box);
    box.showModal();
    $("input", box).select();
  });

  // ---- Every page ----

  const leave = () => streams.forEach(hangUp);

  const place = () => location.pathname + location.search;
  let shown;
  const visit = (url) => {
    history.pushState(null, "", url);
    shown = place();
  };

  const setUp = () => {
    shown = place();
    skew = Date.parse(byId("server-time")?.dateTime) - Date.now() || 0;
    rows();
    ticks();
    remembered();
    submitForm();
    $("[data-flash]")?.focus();
    const side = $(".side details");
    if (side && matchMedia("(max-width: 60rem)").matches) side.open = false;
  };

  // For the scripts of some pages.
  window.img = { $, $$, byId, ended, hangUp, head, listen, load, mark, on, parse, parsePage, visit };

  setUp();
  setInterval(tick, 1000);
  // Going to another place of the same page comes this way, too, and must lose nothing.
  on(window, "popstate", () => place() !== shown && location.reload());
  on(window, "pagehide", () => {
    // Shown again from the browser's memory, a live page would be deaf: load it anew.
    if (streams.size) on(window, "pageshow", (event) => event.persisted && location.reload());
    leave();
  });
  on(window, "beforeunload", (event) => dirty && event.preventDefault());
})();
