// What pages do besides being there: the theme, what is live, filters, logs, the SQL editor. Loaded in the head, so that the theme holds
// before anything is painted; everything else waits for the page. Without it, pages show what was so when they were loaded.
"use strict";
(() => {
  const root = document.documentElement;
  const kept = (key, value) => {
    try {
      return value === undefined ? localStorage.getItem(key) : localStorage.setItem(key, value);
    } catch {
      return null; // Storage is switched off: nothing is remembered.
    }
  };
  const theme = kept("engine.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const proof = () => $('meta[name="csrf"]').content;
  const ask = (address, options = {}) =>
    fetch(address, { credentials: "same-origin", ...options, headers: { "x-csrf-token": proof(), ...options.headers } });
  const told = async (response) => {
    try {
      const problem = await response.json();
      if (problem.rendered) return problem.rendered;
      return problem.help ? `${problem.detail}; ${problem.help}` : problem.detail;
    } catch {
      return `${response.status} ${response.statusText}`;
    }
  };

  function themes() {
    const button = $("[data-theme-switch]");
    const name = () => { button.setAttribute("aria-label", `Theme: ${root.dataset.theme ?? "as the system"}`); };
    if (!button) return;
    name();
    button.addEventListener("click", () => {
      const next = { undefined: "dark", dark: "light", light: undefined }[root.dataset.theme];
      if (next) root.dataset.theme = next;
      else delete root.dataset.theme;
      kept("engine.theme", next ?? "system");
      name();
    });
  }

  // Parts of the page are loaded again when the server says that something has changed. What somebody is in the middle of stays.
  function live() {
    const address = document.body.dataset.live;
    if (!address) return;
    const sign = $("[data-live-state]");
    let source, timer, loading = false, again = false, last = 0;
    const load = async () => {
      if (loading) return void (again = true);
      loading = true;
      last = Date.now();
      try {
        const response = await ask(location.href, { headers: { accept: "text/html" } });
        if (response.status === 401) return location.reload();
        if (response.ok) renew(new DOMParser().parseFromString(await response.text(), "text/html"));
      } catch {
        sign.hidden = true;
      } finally {
        loading = false;
        if (again || moving()) { again = false; soon(); }
      }
    };
    // Nobody tells how many rows were read meanwhile: while something runs, the page asks.
    const moving = () => !document.hidden && $("[data-part] .state.running");
    const soon = () => {
      clearTimeout(timer);
      timer = setTimeout(load, Math.max(0, 1000 - (Date.now() - last)));
    };
    const open = () => {
      source?.close();
      source = new EventSource(address);
      // What changed between the page and this is told by nobody.
      source.onopen = () => { sign.hidden = false; soon(); };
      source.onmessage = soon;
      source.onerror = () => { sign.hidden = true; };
    };
    // A browser has few connections to one server: those of pages that nobody sees are given back.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { source?.close(); source = undefined; sign.hidden = true; } else { open(); soon(); }
    });
    addEventListener("pagehide", () => source?.close());
    setInterval(() => { if (!document.hidden) soon(); }, 15000);
    if (!document.hidden) open();
    if (moving()) soon();
  }

  const served = new WeakMap();
  const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex]";
  function renew(page) {
    for (const fresh of all("[data-part]", page)) {
      const old = $(`[data-part="${CSS.escape(fresh.dataset.part)}"]`);
      if (!old) continue;
      const html = fresh.innerHTML;
      if (served.get(old) === html) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const selection = getSelection();
      const busy = $("details[open]", old) || focused?.matches("input, select, textarea") || (!selection.isCollapsed && selection.containsNode(old, true));
      if (busy) continue;
      // The focus and what is scrolled stay where they were.
      const place = focused && all(CONTROLS, old).indexOf(focused);
      const scrolled = all(".scroll, .graph", old).map((box) => [box.scrollLeft, box.scrollTop]);
      old.innerHTML = html;
      served.set(old, html);
      all(".scroll, .graph", old).forEach((box, at) => scrolled[at] && box.scrollTo(...scrolled[at]));
      if (focused) {
        const same = (one) => one && one.textContent === focused.textContent && one.getAttribute("href") === focused.getAttribute("href");
        const controls = all(CONTROLS, old);
        const next = same(controls[place]) ? controls[place] : controls.find(same) ?? controls[place];
        next?.focus({ preventScroll: true });
      }
    }
    all("[data-filter]").forEach(apply);
  }

  function apply(input) {
    const wanted = input.value.trim().toLowerCase();
    for (const row of all(`${input.dataset.filter} tbody tr`)) {
      row.toggleAttribute("data-hidden", wanted !== "" && !(row.dataset.name ?? "").includes(wanted));
    }
    for (const group of all(".database")) group.hidden = wanted !== "" && !$("tbody tr:not([data-hidden])", group);
  }

  function filters() {
    for (const input of all("[data-filter]")) input.addEventListener("input", () => apply(input));
    for (const form of all("form[data-submit-on-change]")) form.addEventListener("change", () => form.requestSubmit());
    addEventListener("keydown", (event) => {
      const typing = event.target.closest?.("input, textarea, select");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && $("[data-filter]")) {
        event.preventDefault();
        $("[data-filter]").focus();
      }
      if (event.key === "Escape") for (const menu of all("details.menu[open]")) { menu.open = false; $("summary", menu).focus(); }
    });
  }

  // Parts that cost a query are loaded after the page, or when they are asked for.
  function late() {
    for (const place of all("[data-load]")) {
      const load = async () => {
        place.replaceChildren(make("p", { className: "dim", textContent: "loading" }));
        try {
          const response = await ask(place.dataset.load);
          if (response.ok) {
            const held = place.contains(document.activeElement) || document.activeElement === document.body;
            place.innerHTML = await response.text();
            if (held && place.dataset.loadBy) $(".scroll", place)?.focus({ preventScroll: true });
          } else place.replaceChildren(make("p", { className: "bad", textContent: await told(response) }));
        } catch {
          place.replaceChildren(make("p", { className: "bad", textContent: "the server does not answer" }));
        }
      };
      if (place.dataset.loadBy) {
        const button = make("button", { type: "button", textContent: place.dataset.loadBy });
        button.addEventListener("click", load);
        place.replaceChildren(button);
      } else load();
    }
  }

  // Where the time of a run went: the log says how long each step took.
  const STEPS = { read: "source", staged: "flow", committed: "sink" };
  function steps() {
    const section = $("[data-steps]");
    const seconds = new Map();
    const add = (lines) => {
      for (const { message, fields } of lines) {
        const name = fields[STEPS[message]];
        if (name === undefined || typeof fields.seconds !== "number") continue;
        const key = `${message} ${name}`;
        const step = seconds.get(key) ?? { message, name, times: 0, rows: 0, total: 0, longest: 0 };
        step.times += 1;
        step.rows += fields.rows ?? 0;
        step.total += fields.seconds;
        step.longest = Math.max(step.longest, fields.seconds);
        seconds.set(key, step);
      }
      if (seconds.size) show();
    };
    const took = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : value < 60 ? `${value.toFixed(1)} s` : `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`);
    const show = () => {
      const most = Math.max(...[...seconds.values()].map((step) => step.total));
      const cell = (text, number) => make("td", { className: number ? "num" : "", textContent: text });
      const head = ["Step", "Of", "Times", "Rows", "Together", "Longest", ""].map((text, at) => make("th", { scope: "col", className: at > 1 && at < 6 ? "num" : "", textContent: text }));
      const rows = [...seconds.values()].map((step) => {
        const meter = make("meter", { min: 0, max: most || 1, value: step.total });
        meter.setAttribute("aria-label", `share of the longest, ${step.message} ${step.name}`);
        const first = make("th", { scope: "row", textContent: step.message });
        return make("tr", {}, first, cell(step.name), cell(step.times, true), cell(step.message === "staged" ? "" : step.rows.toLocaleString("en"), true), cell(took(step.total), true), cell(took(step.longest), true), make("td", {}, meter));
      });
      const table = make("table", { className: "grid" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
      const box = make("div", { className: "scroll", tabIndex: 0 }, table);
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", "Steps and their times");
      $("div", section).replaceChildren(box);
      section.hidden = false;
    };
    return section ? add : () => {};
  }

  function logs() {
    const box = $("[data-log]");
    if (!box) return;
    const follow = $("[data-follow]");
    let from = 0, silence = 0;
    const timed = steps();
    box.replaceChildren();
    const line = ({ at, level, message, fields }) => {
      const extra = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
      const time = make("time", { dateTime: at, title: at, textContent: at.slice(11, 23) });
      const said = make("span", { className: "said", textContent: message + " " }, make("span", { className: "fields", textContent: extra.join(" ") }));
      return make("div", { className: /^[A-Z]+$/.test(level) ? level : "" }, time, make("span", { className: "level", textContent: level }), said);
    };
    const more = async () => {
      let part;
      try {
        const response = await ask(`${box.dataset.log}?from=${from}`);
        if (!response.ok) return void box.append(make("div", { className: "dim", textContent: await told(response) }));
        part = await response.json();
      } catch {
        return void setTimeout(more, 5000);
      }
      from = part.next;
      timed(part.lines);
      box.append(...part.lines.map(line));
      while (box.childElementCount > 5000) box.firstElementChild.remove();
      if (part.lines.length && follow.checked) box.scrollTop = box.scrollHeight;
      if (part.is_end) {
        if (!box.childElementCount) box.append(make("div", { className: "dim", textContent: "It said nothing." }));
        return;
      }
      silence = part.lines.length ? 0 : Math.min(silence + 1, 4);
      setTimeout(more, document.hidden ? 5000 : 400 + 400 * silence);
    };
    more();
  }

  // The editor: what is typed lies, invisible, on the same text in colours.
  const WORD = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?)|(\b\d[\d.]*(?:e[+-]?\d+)?\b)|([\p{L}_][\p{L}\p{N}_$]*)|([\s\S])/giu;
  const CLASSES = ["cm", "st", "qn", "nu"];

  function editor() {
    const form = $("form#query");
    if (!form) return;
    const area = $("textarea", form), painted = $("[data-painted]", form), box = $(".editor", form);
    const answer = $("#answer"), busy = $("[data-busy]", form);
    let names = { keywords: [], functions: [], tables: {} }, keywords = new Set();

    const paint = () => {
      const pieces = [];
      for (const found of area.value.matchAll(WORD)) {
        const at = [1, 2, 3, 4].find((group) => found[group] !== undefined);
        const keyword = found[5] !== undefined && keywords.has(found[5].toUpperCase());
        if (at || keyword) pieces.push(make("span", { className: keyword ? "kw" : CLASSES[at - 1], textContent: found[0] }));
        else pieces.push(found[0]);
      }
      painted.replaceChildren(...pieces, "\n");
      painted.parentElement.scrollTop = area.scrollTop;
    };
    box.classList.add("painted");
    area.addEventListener("input", paint);
    area.addEventListener("scroll", () => { painted.parentElement.scrollTop = area.scrollTop; });
    paint();
    ask("/query/names").then(async (response) => {
      if (!response.ok) return;
      names = await response.json();
      keywords = new Set(names.keywords);
      paint();
    }).catch(() => {});

    const stop = $("[data-cancel]", form);
    let going;
    const complain = (text) => {
      answer.replaceChildren(make("section", { className: "alert", role: "alert" }, make("pre", { textContent: text })));
    };
    // One query at a time; the next one, or Cancel, ends the one before.
    const send = async (fields, done) => {
      going?.abort();
      const mine = going = new AbortController();
      busy.hidden = stop.hidden = false;
      hide();
      try {
        const body = new URLSearchParams({ csrf: proof(), sql: area.value, ...fields });
        const response = await ask(form.action, { method: "POST", body, signal: mine.signal });
        if (response.status === 401) return location.reload();
        if (response.ok) await done(response);
        else complain(await told(response));
      } catch (error) {
        if (going === mine) complain(error.name === "AbortError" ? "canceled" : "the server does not answer");
      } finally {
        if (going === mine) {
          busy.hidden = stop.hidden = true;
          if (document.activeElement === document.body) area.focus();
        }
      }
    };
    const run = () => {
      remember(area.value);
      return send({}, async (response) => {
        answer.innerHTML = await response.text();
        result(answer);
        mistaken(answer);
      });
    };
    const download = (format) => send({ format }, async (response) => {
      const name = /filename="([^"]+)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? `query.${format}`;
      const address = URL.createObjectURL(await response.blob());
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
    // From a mistake to its place in the editor.
    const mistaken = (answer) => {
      const alert = $("[data-at-line]", answer);
      if (!alert) return;
      const [line, column] = [Number(alert.dataset.atLine), Number(alert.dataset.atColumn)];
      const button = make("button", { type: "button", className: "small", textContent: `Go to line ${line}` });
      button.addEventListener("click", () => {
        const before = area.value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
        const from = before + [...area.value.slice(before)].slice(0, column - 1).join("").length;
        const word = /^[\p{L}\p{N}_$.]*/u.exec(area.value.slice(from))[0];
        area.focus();
        area.setSelectionRange(from, from + Math.max(1, word.length));
      });
      alert.append(button);
    };
    stop.addEventListener("click", () => going?.abort());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter?.hasAttribute("data-download")) download(event.submitter.value);
      else run();
    });
    const insert = (text) => {
      area.focus();
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
      paint();
    };
    for (const button of all("[data-insert]")) button.addEventListener("click", () => insert(button.dataset.insert));

    // History, in this browser only.
    const past = () => { try { return JSON.parse(kept("engine.history") ?? "[]"); } catch { return []; } };
    const list = $("[data-history]");
    const show = () => {
      const entries = past();
      if (!entries.length) return;
      list.replaceChildren(...entries.map((sql) => {
        const button = make("button", { type: "button", className: "quiet", title: sql, textContent: sql.replace(/\s+/g, " ") });
        button.addEventListener("click", () => { area.value = sql; paint(); area.focus(); });
        return make("li", {}, button);
      }));
    };
    const remember = (sql) => {
      if (!sql.trim()) return;
      kept("engine.history", JSON.stringify([sql, ...past().filter((other) => other !== sql)].slice(0, 50)));
      show();
    };
    show();

    // Completion.
    const choices = $(".choices", form);
    let found = [], chosen = 0, start = 0;
    const hide = () => { choices.hidden = true; area.removeAttribute("aria-activedescendant"); };
    const tablesIn = (text) => {
      const tables = {};
      const naming = /\b(?:from|join)\s+((?:[\p{L}_][\p{L}\p{N}_$]*|"[^"]+")(?:\.(?:[\p{L}_][\p{L}\p{N}_$]*|"[^"]+"))*)(?:\s+(?:as\s+)?([\p{L}_][\p{L}\p{N}_$]*))?/giu;
      for (const [, table, alias] of text.matchAll(naming)) {
        const columns = names.tables[table] ?? names.tables[`lake.${table}`] ?? [];
        tables[table.split(".").pop()] = columns;
        if (alias && !keywords.has(alias.toUpperCase())) tables[alias] = columns;
      }
      return tables;
    };
    const suggestions = (before) => {
      const typed = before.match(/(?:[\p{L}_"][\p{L}\p{N}_$"]*\.?)*$/u)[0];
      const rest = before.slice(0, before.length - typed.length);
      const known = tablesIn(area.value);
      if (/\b(?:from|join|describe|summarize|table)\s+$/i.test(rest) || /\bfrom\s[^;()]*,\s*$/i.test(rest)) {
        return [typed, Object.keys(names.tables).map((name) => [name, "table"])];
      }
      const dot = typed.lastIndexOf(".");
      if (dot >= 0) return [typed.slice(dot + 1), known[typed.slice(0, dot).split(".").pop()] ?? []];
      const columns = Object.values(known).flat();
      const words = typed ? [...names.keywords.map((word) => [word, ""]), ...names.functions.map((name) => [`${name}(`, "function"])] : [];
      return [typed, [...columns, ...words]];
    };
    const complete = (asked) => {
      const before = area.value.slice(0, area.selectionStart);
      const [typed, candidates] = suggestions(before);
      const wanted = typed.toLowerCase();
      const seen = new Set();
      found = candidates.filter(([name]) => {
        const fits = name.toLowerCase().startsWith(wanted) || (wanted.length > 1 && name.toLowerCase().includes(`.${wanted}`));
        return fits && name.toLowerCase() !== wanted && !seen.has(name) && seen.add(name);
      }).slice(0, 40);
      if (!found.length || (!asked && wanted.length < 2 && !before.endsWith("."))) return hide();
      start = area.selectionStart - typed.length;
      chosen = 0;
      choices.replaceChildren(...found.map(([name, what], at) => {
        const item = make("li", { id: `choice-${at}`, role: "option" }, name, make("span", { textContent: what }));
        item.addEventListener("mousedown", (event) => { event.preventDefault(); chosen = at; take(); });
        return item;
      }));
      place();
      choices.hidden = false;
      mark();
    };
    const place = () => {
      // Where the caret is, by the same text in the layer below.
      const range = document.createRange();
      const walker = document.createTreeWalker(painted, NodeFilter.SHOW_TEXT);
      let left = start, node;
      while ((node = walker.nextNode()) && left > node.length) left -= node.length;
      if (!node) return;
      range.setStart(node, left);
      const [at, around] = [range.getBoundingClientRect(), box.getBoundingClientRect()];
      choices.style.left = `${Math.max(0, Math.min(at.left - around.left, around.width - 240))}px`;
      choices.style.top = `${at.bottom - around.top + 4}px`;
    };
    const mark = () => {
      all("li", choices).forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
      area.setAttribute("aria-activedescendant", `choice-${chosen}`);
      choices.children[chosen]?.scrollIntoView({ block: "nearest" });
    };
    const take = () => {
      const lower = /^[a-z]/.test(area.value.slice(start, start + 1));
      const [name, what] = found[chosen];
      area.setRangeText(what === "" && lower ? name.toLowerCase() : name, start, area.selectionStart, "end");
      hide();
      paint();
    };
    area.addEventListener("input", () => complete(false));
    area.addEventListener("blur", hide);
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); return run(); }
      if (event.key === " " && event.ctrlKey) { event.preventDefault(); return complete(true); }
      if (choices.hidden) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) { event.preventDefault(); chosen = (chosen + step + found.length) % found.length; mark(); }
      else if (event.key === "Tab" || event.key === "Enter") { event.preventDefault(); take(); }
      else if (event.key === "Escape") { event.preventDefault(); hide(); }
    });
    if (form.dataset.given) run();
  }

  const number = (text) => (text.trim() === "" ? NaN : Number(text));

  // A result can be sorted by a click on a column, and drawn.
  function result(answer) {
    const table = $(".result table", answer);
    if (!table) return;
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      head.dataset.sort = "";
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = all("tbody tr", table).map((row) => [row, row.cells[column].textContent]);
        const numeric = head.classList.contains("num");
        rows.sort(([, a], [, b]) => (numeric ? (number(a) || 0) - (number(b) || 0) : a.localeCompare(b)) * (down ? -1 : 1));
        $("tbody", table).append(...rows.map(([row]) => row));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        sort();
      });
    });
    const button = $("[data-chart]", answer), place = $("[data-chart-place]", answer);
    const numeric = heads.map((head, at) => [head.textContent, at]).filter(([, at]) => heads[at].classList.contains("num"));
    if (!button) return;
    if (!numeric.length) return void button.remove();
    button.addEventListener("click", () => {
      place.hidden = !place.hidden;
      button.setAttribute("aria-pressed", String(!place.hidden));
      if (!place.hidden) chart(place, table, heads, numeric);
    });
  }

  function chart(place, table, heads, numeric) {
    const first = heads.findIndex((head) => !head.classList.contains("num"));
    const choose = (label, options, selected) => {
      const select = make("select", {}, ...options.map(([name, at]) => make("option", { value: at, textContent: name, selected: at === selected })));
      return [make("label", {}, `${label} `, select), select];
    };
    const [xLabel, xSelect] = choose("X", heads.map((head, at) => [head.textContent, at]), Math.max(first, 0));
    const [yLabel, ySelect] = choose("Y", numeric, numeric.find(([, at]) => at !== Number(xSelect.value))?.[1] ?? numeric[0][1]);
    const picture = make("div");
    const draw = () => {
      const [x, y] = [Number(xSelect.value), Number(ySelect.value)];
      const drawn = drawing(table, x, y, Math.max(240, picture.clientWidth));
      drawn.setAttribute("aria-label", `${heads[y].textContent} by ${heads[x].textContent}`);
      picture.replaceChildren(drawn);
    };
    xSelect.addEventListener("change", draw);
    ySelect.addEventListener("change", draw);
    place.replaceChildren(make("div", { className: "pick" }, xLabel, yLabel), picture);
    // Drawn as wide as there is room, so that its letters are as large as others.
    let width = 0;
    new ResizeObserver(() => {
      if (picture.clientWidth !== width) { width = picture.clientWidth; draw(); }
    }).observe(picture);
  }

  // Round numbers from `low` to `high`, four or five of them.
  function ticks(low, high) {
    const rough = (high - low || 1) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const first = Math.floor(low / step);
    return Array.from({ length: Math.ceil(high / step) - first + 1 }, (_, at) => (first + at) * step);
  }

  function drawing(table, x, y, width) {
    const svg = (name, attributes, text) => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      return element;
    };
    const points = all("tbody tr", table).map((row) => [row.cells[x].textContent, number(row.cells[y].textContent)]).filter(([, value]) => !Number.isNaN(value)).slice(0, 500);
    const [height, left, bottom] = [260, 56, 24];
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img" });
    if (!points.length) return make("p", { className: "dim", textContent: "There is no number to draw." });
    const values = points.map(([, value]) => value);
    const marks = ticks(Math.min(0, ...values), Math.max(0, ...values));
    const [low, high] = [marks[0], marks[marks.length - 1]];
    const top = (value) => 10 + (high - value) / (high - low || 1) * (height - bottom - 10);
    const at = (index) => left + (index + 0.5) * (width - left - 8) / points.length;
    const axis = (value) => {
      picture.append(svg("line", { class: "axis", x1: left, x2: width - 8, y1: top(value), y2: top(value) }));
      picture.append(svg("text", { x: left - 8, y: top(value) + 4, "text-anchor": "end" }, new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 }).format(value)));
    };
    marks.forEach(axis);
    if (points.length <= 60) {
      const wide = Math.max(2, (width - left) / points.length * 0.7);
      points.forEach(([name, value], index) => {
        const bar = svg("rect", { class: "mark", x: at(index) - wide / 2, width: wide, y: Math.min(top(value), top(0)), height: Math.max(1, Math.abs(top(value) - top(0))), rx: 1.5 });
        bar.append(svg("title", {}, `${name}: ${value}`));
        picture.append(bar);
      });
    } else {
      picture.append(svg("path", { class: "mark", d: points.map(([, value], index) => `${index ? "L" : "M"}${at(index).toFixed(1)} ${top(value).toFixed(1)}`).join("") }));
    }
    const every = Math.ceil(points.length / Math.max(1, Math.floor((width - left) / 110)));
    points.forEach(([name], index) => {
      if (index % every === 0) picture.append(svg("text", { x: at(index), y: height - 6, "text-anchor": "middle" }, name.length > 16 ? `${name.slice(0, 15)}…` : name));
    });
    return picture;
  }

  addEventListener("DOMContentLoaded", () => [themes, live, filters, late, logs, editor].forEach((begin) => begin()));
})();
