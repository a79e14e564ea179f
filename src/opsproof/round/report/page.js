"use strict";
(() => {
  document.documentElement.lang = "en";
  const page = document.querySelector(".opsproof");
  const form = page.querySelector(".filter");
  const output = form.querySelector("output");
  const checks = [...page.querySelectorAll(".check")];
  const SHOWN = 1000;

  let unpacked;
  const details = () => (unpacked ??= unpack());
  async function unpack() {
    const text = document.getElementById("details").content.textContent;
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  function element(name, text, kind) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function addEvidence(cell, evidence) {
    for (const [title, lines] of evidence) {
      const folded = element("details", undefined, "evidence");
      folded.append(element("summary", title), element("pre", lines.join("\n")));
      cell.append(folded);
    }
  }

  const textOfCheck = (check) => `${check.dataset.check.replaceAll("_", " ")} ${check.dataset.check}`;
  const matches = ([, verdict, host, resource, sentence], wanted) =>
    (!wanted.verdict || verdict === wanted.verdict) &&
    (!wanted.host || host === wanted.host) &&
    (!wanted.text || `${host} ${resource} ${sentence}`.toLowerCase().includes(wanted.text));

  // A page with many verdicts has no rows: they are made from the details when a check is opened.
  async function fill(check) {
    const body = check.querySelector("tbody");
    const all = (await details())[check.dataset.check] ?? [];
    const wanted = filters();
    const named = textOfCheck(check).includes(wanted.text) ? { ...wanted, text: "" } : wanted;
    const rows = all.filter((each) => matches(each, named));
    body.replaceChildren(...rows.slice(0, SHOWN).map(row));
    const hint = check.querySelector(":scope > .hint");
    hint.textContent = rows.length > SHOWN ? `${SHOWN} of ${rows.length} rows: filter for the others` : "";
  }

  function row([id, verdict, host, resource, sentence, evidence]) {
    const made = element("tr", undefined, verdict);
    made.id = id;
    const found = element("td", sentence || "as expected");
    addEvidence(found, evidence);
    made.append(element("td", verdict), element("td", host), element("td", resource), found);
    return made;
  }

  // A page with a row for each verdict gets the evidence of passed checks when a check is opened.
  async function complete(check) {
    for (const [id, , , , , evidence] of (await details())[check.dataset.check] ?? []) {
      addEvidence(document.getElementById(id).cells[3], evidence);
    }
  }

  const isStatic = checks.every((each) => each.querySelector(":scope > .hint") === null);
  const opened = new WeakSet();
  function open(check) {
    if (!check.open || (isStatic && opened.has(check))) return undefined;
    opened.add(check);
    return isStatic ? complete(check) : fill(check);
  }
  for (const check of checks) {
    check.addEventListener("toggle", () => open(check));
    open(check); // a link to a row may have opened it before this script ran
  }

  function filters() {
    const { text, verdict, subject, host } = form.elements;
    return { text: text.value.trim().toLowerCase(), verdict: verdict.value, subject: subject.value, host: host.value };
  }

  const texts = new WeakMap();
  function textOf(tr) {
    if (!texts.has(tr)) texts.set(tr, [...tr.cells].slice(1).map((each) => each.textContent).join(" ").toLowerCase());
    return texts.get(tr);
  }

  function filterRows(check, wanted, isNamed) {
    let count = 0;
    for (const tr of check.querySelectorAll("tbody > tr")) {
      const shown =
        (!wanted.verdict || tr.className === wanted.verdict) &&
        (!wanted.host || tr.cells[1].textContent === wanted.host) &&
        (!wanted.text || isNamed || textOf(tr).includes(wanted.text));
      tr.hidden = !shown;
      count += shown;
    }
    return count;
  }

  async function apply() {
    const wanted = filters();
    const isFiltered = Object.values(wanted).some(Boolean);
    const data = isStatic ? undefined : await details();
    let total = 0;
    for (const check of checks) {
      const isNamed = textOfCheck(check).includes(wanted.text);
      let count = 0;
      if (!wanted.subject || check.dataset.subject === wanted.subject) {
        count = isStatic
          ? filterRows(check, wanted, isNamed)
          : data[check.dataset.check].filter((each) => matches(each, isNamed ? { ...wanted, text: "" } : wanted)).length;
      }
      check.hidden = count === 0;
      total += count;
      if (isFiltered && count > 0 && count <= 200 && isStatic) check.open = true;
      if (!isStatic && check.open) await fill(check);
    }
    for (const title of page.querySelectorAll("h3.subject")) {
      const subject = title.id.slice("subject-".length);
      title.hidden = checks.every((each) => each.hidden || each.dataset.subject !== subject);
    }
    output.textContent = isFiltered ? `${total} of ${page.dataset.total}` : "";
    return wanted;
  }

  function remember(wanted) {
    const set = Object.entries(wanted).filter(([, value]) => value);
    history.replaceState(null, "", set.length ? `#filter?${new URLSearchParams(set)}` : location.pathname + location.search);
  }

  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => remember(await apply()), 80);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(async () => remember(await apply())));

  async function choose(values) {
    form.reset();
    for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    remember(await apply());
    document.getElementById("everything").scrollIntoView();
  }
  page.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-filter], a[data-host]");
    if (!link) return;
    event.preventDefault();
    const { filter, host, subject } = link.dataset;
    choose(filter ? { verdict: filter } : { host, subject });
  });

  async function follow() {
    const [kind, query] = decodeURIComponent(location.hash.slice(1)).split(/\?(.*)/s);
    if (kind === "filter") {
      const known = Object.entries(Object.fromEntries(new URLSearchParams(location.hash.split("?")[1])));
      await choose(Object.fromEntries(known.filter(([name]) => name in filters())));
      return query;
    }
    let target = kind && document.getElementById(kind);
    if (!target && kind.startsWith("v") && !isStatic) {
      const [name] = Object.entries(await details()).find(([, rows]) => rows.some(([id]) => id === kind)) ?? [];
      const check = name && document.getElementById(name);
      if (check) {
        check.open = true;
        await fill(check);
        target = document.getElementById(kind);
      }
    }
    for (let each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") each.open = true;
    }
    if (target) target.scrollIntoView();
    return kind;
  }
  window.addEventListener("hashchange", follow);

  for (const button of page.querySelectorAll("button.copy")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 2000);
    });
  }
  form.hidden = false;
  document.documentElement.dataset.ready = "";
  if (location.hash) follow();
})();
