// Everything works without this file; it makes pages live and forms quick. One function per
// subject, each looking for its own data attributes, so that a page swapped in can be set up again.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const streams = new Set();
  let dirty = false;
  let skew = 0;

  // The server escaped every piece of HTML that comes this way.
  const parse = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content;
  };

  const listen = (url, handlers) => {
    const source = new EventSource(url);
    for (const [name, handler] of Object.entries(handlers)) source.addEventListener(name, handler);
    streams.add(source);
    return source;
  };
  const hangUp = (source) => {
    source.close();
    streams.delete(source);
  };

  const kept = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      localStorage.setItem(key, value);
    } catch {
      return null; // storage may be forbidden: then nothing is remembered
    }
  };

  // ---- Times -----------------------------------------------------------------------------

  const span = (seconds) => {
    const s = Math.max(0, Math.round(seconds));
    const two = (big, unit, small, smallUnit) => `${big} ${unit}` + (small ? ` ${small} ${smallUnit}` : "");
    if (s < 60) return `${s} s`;
    if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
    if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
    return two(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
  };
  const now = () => Date.now() + skew;

  const tick = () => {
    if (document.hidden) return;
    for (const el of $$("[data-since]")) {
      const text = span((now() - Number(el.dataset.since)) / 1000);
      if (el.textContent !== text) el.textContent = text;
    }
    for (const el of $$("time[data-rel]")) {
      const ahead = (Date.parse(el.dateTime) - now()) / 1000;
      const coarse = (s) => span(s < 60 ? s : s < 3600 ? s - (s % 60) : s);
      const text = ahead > 0 ? `in ${coarse(ahead)}` : `${coarse(-ahead)} ago`;
      if (el.textContent !== text) el.textContent = text;
    }
  };

  const clock = () => {
    const server = $("#server-time");
    if (server) skew = Date.parse(server.dateTime) - Date.now();
  };

  // ---- Queue -----------------------------------------------------------------------------

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
        const old = document.getElementById(row.id);
        if (old && old.contains(document.activeElement) && old.outerHTML === row.outerHTML) return;
        row.classList.add("fresh");
        if (old) {
          const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
          old.replaceWith(row);
          if (focused) $(`a[href="${CSS.escape(focused)}"]`, row)?.focus();
          return;
        }
        some();
        body.prepend(row);
        while (body.rows.length > Number(table.dataset.size)) body.lastElementChild.remove();
      },
      gone: (event) => document.getElementById(`job-${event.data}`)?.remove(),
      reload: async () => {
        const answer = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
        if (!answer?.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = $("table[data-rows]", page);
        if (!fresh?.tBodies[0].rows.length) return;
        some();
        body.replaceChildren(...fresh.tBodies[0].rows);
      },
    });
  };

  const filters = () => {
    for (const form of $$("form[data-auto]"))
      form.addEventListener("change", (event) => event.target.matches("select") && form.requestSubmit());
  };

  // ---- Log -------------------------------------------------------------------------------

  const KEEP = 5000; // lines on the page; the log page has them all
  const ERROR = /\b(error|fatal|failed|traceback|panic)\b/i;

  const log = () => {
    const panel = $(".panel.log");
    const lines = panel && $("[data-lines]", panel);
    if (!lines) return;
    wrapping(panel);
    searching(panel, lines);
    jumping(panel, lines);
    if (panel.dataset.log) following(panel, lines);
    const mark = panel.dataset.mark && document.getElementById(`L${panel.dataset.mark}`);
    if (mark) mark.scrollIntoView({ block: "center" });
  };

  const wrapping = (panel) => {
    const button = $("[data-wrap]", panel);
    const set = (on) => {
      panel.classList.toggle("nowrap", !on);
      button.setAttribute("aria-pressed", on);
    };
    button.hidden = false;
    set(kept("wrap") !== "off");
    button.addEventListener("click", () => {
      const on = panel.classList.contains("nowrap");
      set(on);
      kept("wrap", on ? "on" : "off");
    });
  };

  const show = (lines, line) => {
    for (const old of $$(".now", lines)) old.classList.remove("now");
    line.classList.add("now");
    lines.dispatchEvent(new Event("leave"));
    line.scrollIntoView({ block: "center" });
  };

  const jumping = (panel, lines) => {
    for (const link of $$("a[data-line]"))
      link.addEventListener("click", (event) => {
        const line = document.getElementById(`L${link.dataset.line}`);
        if (!line) return; // not on this page: the link leads to the one that has it
        event.preventDefault();
        show(lines, line);
      });
    const button = $("[data-error]", panel);
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const line = [...lines.children].find((l) => ERROR.test(l.textContent));
      if (line) show(lines, line);
      else button.textContent = "No error found";
      setTimeout(() => (button.textContent = "First error"), 2500);
    });
  };

  const searching = (panel, lines) => {
    const box = $("[data-search]", panel);
    const input = $("input", box);
    const found = $("[data-found]", box);
    let hits = [];
    let at = -1;
    const go = (step) => {
      if (!hits.length) return;
      at = (at + step + hits.length) % hits.length;
      found.textContent = `${at + 1} of ${hits.length}`;
      show(lines, hits[at]);
    };
    const search = () => {
      for (const line of hits) line.classList.remove("hit", "now");
      const wanted = input.value.toLowerCase();
      hits = wanted ? [...lines.children].filter((l) => l.textContent.toLowerCase().includes(wanted)) : [];
      for (const line of hits) line.classList.add("hit");
      at = -1;
      found.textContent = !wanted ? "" : hits.length === 1 ? "1 line" : `${hits.length} lines`;
    };
    let timer;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(search, 120);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      go(event.shiftKey ? -1 : 1);
    });
    $("[data-next]", box).addEventListener("click", () => go(1));
    $("[data-prev]", box).addEventListener("click", () => go(-1));
    box.hidden = false;
  };

  const following = (panel, lines) => {
    const button = $("[data-follow]", panel);
    const cut = $("[data-cut]", panel);
    let follow = true;
    let waiting = [];
    const set = (on) => {
      follow = on;
      button.setAttribute("aria-pressed", on);
      if (on) lines.scrollTop = lines.scrollHeight;
    };
    const number = (html) => Number(/id="L(\d+)"/.exec(html)?.[1] ?? 0);
    // Many messages make one change of the page: a fast log costs one drawing per frame.
    const flush = () => {
      // What would be dropped at once is not even read.
      const newest = number(waiting.at(-1));
      const skipped = waiting.findLastIndex((html) => number(html) <= newest - KEEP);
      if (skipped > 0) {
        waiting.splice(0, skipped);
        lines.replaceChildren();
        cut.hidden = false;
      }
      const fresh = parse(waiting.join(""));
      waiting = [];
      $("[data-empty]", panel)?.remove();
      // A line that was cut off comes again, whole.
      for (const line of [...fresh.children]) {
        const old = document.getElementById(line.id);
        if (!old) break;
        old.replaceWith(line);
      }
      lines.append(fresh);
      const extra = lines.childElementCount - KEEP;
      if (extra > 0) {
        const range = document.createRange();
        range.setStartBefore(lines.firstElementChild);
        range.setEndAfter(lines.children[extra - 1]);
        range.deleteContents();
        cut.hidden = false;
      }
      if (follow) lines.scrollTop = lines.scrollHeight;
    };
    button.hidden = false;
    button.addEventListener("click", () => set(!follow));
    lines.addEventListener("leave", () => set(false));
    lines.addEventListener("wheel", (event) => event.deltaY < 0 && set(false), { passive: true });
    lines.addEventListener("touchmove", () => set(false), { passive: true });
    lines.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key)) set(false);
      if (event.key === "End") set(true);
    });
    set(true);
    const source = listen(panel.dataset.log, {
      log: (event) => {
        if (!waiting.length) (document.hidden ? (f) => setTimeout(f, 500) : requestAnimationFrame)(flush);
        waiting.push(event.data);
      },
      head: (event) => head(event.data),
      end: () => {
        hangUp(source);
        button.hidden = true;
        ended();
      },
    });
  };

  const head = (html) => {
    const place = $("#head");
    const before = $("[data-state]", place)?.dataset.state;
    place.replaceChildren(parse(html));
    const box = $("[data-state]", place);
    if (box && box.dataset.state !== before) $("#announce").textContent = $(".state", box).textContent;
  };

  // What a job leaves behind is drawn by the server: fetch the page and take those parts.
  const ended = async () => {
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["head", "results", "actions"]) {
        const fresh = page.getElementById(id);
        if (fresh) document.getElementById(id)?.replaceWith(document.adoptNode(fresh));
      }
    } catch {
      // Offline: the page stays as it is, and loading it again shows the rest.
    }
  };

  // ---- Submit ----------------------------------------------------------------------------

  const submitForm = () => {
    const form = $("form[data-submit]");
    if (!form) return;
    const file = form.elements.file;
    const touched = new Set();
    for (const el of $$("[data-nojs]", form)) el.hidden = true;
    form.addEventListener("input", (event) => {
      dirty = true;
      touched.add(event.target.name);
    });
    sources(form);
    const selects = choices(form);
    marking(form);
    dropping(form, file);
    inspecting(form, file, touched, selects);
    uploading(form, file);
  };

  const sources = (form) => {
    const set = () => {
      const source = form.elements.source.value;
      for (const part of $$("[data-source]", form)) part.hidden = part.dataset.source !== source;
    };
    for (const radio of form.elements.source) radio.addEventListener("change", set);
    set();
  };

  // Runner → its image types and fields; image type → its architectures.
  const choices = (form) => {
    const { runner, image_type: type, arch } = form.elements;
    const groups = $$("optgroup", type);
    const archs = [...arch.options].slice(1);
    const only = (select, wanted) => {
      const value = select.value;
      const options = wanted.flatMap((w) => (w.tagName === "OPTGROUP" ? [...w.children] : [w]));
      select.replaceChildren(select.options[0], ...wanted);
      const same = options.find((o) => o.value === value) ?? (options.length === 1 ? options[0] : null);
      select.selectedIndex = same ? [...select.options].indexOf(same) : 0;
    };
    const setArchs = () => {
      const known = type.selectedOptions[0]?.dataset.archs?.split(" ");
      only(arch, known ? archs.filter((o) => known.includes(o.value)) : archs);
    };
    const setRunner = () => {
      const id = runner.value;
      only(type, id ? groups.filter((g) => g.firstElementChild?.dataset.runner === id) : groups);
      for (const part of $$("fieldset[data-runner], .help [data-runner]")) {
        part.hidden = part.dataset.runner !== id;
        if (part.tagName === "FIELDSET") part.disabled = part.hidden;
      }
      const label = runner.selectedOptions?.[0]?.dataset.label;
      const place = $("[data-label]", form);
      if (place && label && place.tagName === "SPAN") place.textContent = label;
      setArchs();
    };
    if (runner.tagName === "SELECT") {
      runner.addEventListener("change", setRunner);
      // A type that only one runner builds says which runner it is.
      type.addEventListener("change", () => {
        const id = type.selectedOptions[0]?.dataset.runner;
        if (id && !runner.value) {
          runner.value = id;
          setRunner();
        }
      });
    }
    type.addEventListener("change", setArchs);
    setRunner();
    return { setRunner, setArchs };
  };

  const marking = (form) => {
    form.addEventListener("focusin", (event) => {
      const entry = event.target.closest("[data-help]")?.dataset.help;
      for (const old of $$(".help .on")) old.classList.remove("on");
      if (entry) document.getElementById(`help-${entry}`)?.classList.add("on");
    });
  };

  const dropping = (form, file) => {
    const set = (on) => form.classList.toggle("drag", on);
    const hasFile = (event) => event.dataTransfer?.types.includes("Files");
    form.addEventListener("dragover", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      set(true);
    });
    form.addEventListener("dragleave", (event) => !form.contains(event.relatedTarget) && set(false));
    form.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      set(false);
      $('input[name="source"][value="upload"]', form).click();
      file.files = event.dataTransfer.files;
      file.dispatchEvent(new Event("change", { bubbles: true }));
    });
  };

  const inspecting = (form, file, touched, selects) => {
    const place = $("[data-inspected]", form);
    let turn = 0;
    const inspect = async () => {
      const mine = ++turn;
      const data = new FormData(form);
      data.set("action", "inspect");
      try {
        const answer = await fetch(form.dataset.inspect, { method: "POST", body: data, credentials: "same-origin" });
        if (mine !== turn) return;
        place.replaceChildren(answer.ok ? parse(await answer.text()) : "");
        const said = $(".inspect", place)?.dataset;
        if (said) fill(said);
      } catch {
        place.replaceChildren(); // Submit checks the same again
      }
    };
    const fill = (said) => {
      const { runner, name, image_type: type, arch } = form.elements;
      const put = (field, value) => {
        if (value && field && !touched.has(field.name)) field.value = value;
      };
      put(runner, said.runner);
      selects.setRunner();
      put(name, said.name);
      put(type, said.type);
      selects.setArchs();
      put(arch, said.arch);
    };
    const byName = () => {
      const { runner } = form.elements;
      const ext = file.files[0]?.name.split(".").pop().toLowerCase();
      if (runner.tagName !== "SELECT" || touched.has("runner") || !ext) return;
      const fits = [...runner.options].filter((o) => o.dataset.ext?.split(" ").includes(ext));
      if (fits.length === 1) runner.value = fits[0].value;
      selects.setRunner();
    };
    file.addEventListener("change", () => {
      if (!file.files.length) return;
      byName();
      inspect();
    });
    // A text without a name says what it is only to a runner that was chosen.
    const pasted = () => form.elements.definition.value.trim() && form.elements.runner.value;
    for (const field of [form.elements.definition, form.elements.runner])
      field.addEventListener("change", () => (pasted() || file.files.length) && inspect());
  };

  // Sends a large file with a progress bar, then shows the answer as the browser would have.
  const BIG = 200 * 1024;
  const uploading = (form, file) => {
    let plain = false;
    form.addEventListener("submit", (event) => {
      dirty = false;
      if (plain) return;
      const size = form.elements.source.value === "upload" ? (file.files[0]?.size ?? 0) : 0;
      if (size < BIG) return;
      event.preventDefault();
      const data = new FormData(form);
      if (event.submitter?.name) data.set(event.submitter.name, event.submitter.value);
      const place = $("[data-upload]", form);
      const request = new XMLHttpRequest();
      request.open("POST", form.getAttribute("action")); // a button is called "action", too
      request.upload.addEventListener("progress", (e) => {
        if (e.lengthComputable) $("progress", place).value = (100 * e.loaded) / e.total;
      });
      request.addEventListener("load", () => turnTo(request.responseText, request.responseURL));
      request.addEventListener("error", () => {
        plain = true;
        form.requestSubmit(event.submitter);
      });
      place.hidden = false;
      request.send(data);
    });
  };

  const turnTo = (html, url) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    leave();
    document.title = page.title;
    document.body.replaceWith(document.adoptNode(page.body));
    history.pushState(null, "", url);
    scrollTo(0, 0);
    setUp();
  };

  // ---- Every page ------------------------------------------------------------------------

  const leave = () => {
    for (const source of [...streams]) hangUp(source);
  };

  const place = () => location.pathname + location.search;
  let shown;

  const setUp = () => {
    shown = place();
    clock();
    rows();
    filters();
    log();
    submitForm();
    $("[data-flash]")?.focus();
    const side = $(".side details");
    if (side && matchMedia("(max-width: 60rem)").matches) side.open = false;
  };

  setUp();
  setInterval(tick, 1000);
  // Going to another place of the same page comes this way, too, and must lose nothing.
  addEventListener("popstate", () => place() !== shown && location.reload());
  addEventListener("pagehide", () => {
    // Shown again from the browser's memory, a live page would be deaf: load it anew.
    if (streams.size) addEventListener("pageshow", (event) => event.persisted && location.reload());
    leave();
  });
  addEventListener("beforeunload", (event) => dirty && event.preventDefault());
})();
