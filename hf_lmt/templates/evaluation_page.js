"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const table = document.getElementById("table");
const several = data.systems.length > 1;
let sorted = { measure: -1, system: 0, down: false };

function element(name, text, attributes) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  return made;
}

function eachCell(visit) {
  data.measures.forEach((measure, place) =>
    data.systems.forEach((name, system) => visit(measure, place, name, system)));
}

function heading(text, measure, system) {
  const made = element("th", null, { scope: "col", class: measure < 0 ? "" : "number" });
  const button = element("button", text, { type: "button" });
  button.addEventListener("click", () => {
    const same = sorted.measure === measure && sorted.system === system;
    const falls = measure >= 0 && data.measures[measure].falls;
    sorted = { measure, system, down: same ? !sorted.down : falls };
    show();
  });
  if (sorted.measure === measure && sorted.system === system)
    made.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
  made.append(button);
  return made;
}

function wanted(direction) {
  const word = document.getElementById("language").value.trim().toLowerCase();
  const tier = document.getElementById("tier").value;
  const group = document.getElementById("group").value;
  const names = [direction.source.toLowerCase(), direction.target.toLowerCase()];
  const named = !word || direction.name === word || direction.codes.includes(word)
    || (word.length > 3 && names.some((name) => name.includes(word)));
  return named && (!tier || direction.tier === tier) && (!group || direction.groups.includes(group));
}

function compared(one, other) {
  if (sorted.measure < 0) return (sorted.down ? -1 : 1) * (one.place - other.place);
  const [a, b] = [one, other].map((each) => each.figures[sorted.system][sorted.measure][0]);
  if (a === null || b === null) return (a === null) - (b === null) || one.place - other.place;
  return (sorted.down ? b - a : a - b) || one.place - other.place;
}

function scale(measure, place) {
  const values = data.directions.flatMap((one) => one.figures.map((each) => each[place][0]))
    .filter((value) => value !== null);
  return measure.rate ? [0, 20] : [Math.min(...values), Math.max(...values)];
}
const scales = data.measures.map(scale);

function figure(direction, measure, place, system) {
  const [value, low, high, why] = direction.figures[system][place];
  const made = element("td", null, { class: "number" });
  const notes = [direction.target];
  if (value === null) {
    made.textContent = "–";
  } else {
    made.textContent = (why ? "~" : "") + value.toFixed(measure.digits);
    const [least, most] = scales[place];
    let part = most === least ? 0 : Math.min(1, (value - least) / (most - least));
    if (measure.falls && !measure.rate) part = 1 - part;
    made.style.backgroundColor = `rgba(var(${measure.rate ? "--bad" : "--good"}), ${0.55 * part})`;
    if (low !== null)
      notes.push(`95 % interval ${low.toFixed(measure.digits)} to ${high.toFixed(measure.digits)}`);
  }
  if (why) notes.push(why);
  made.title = notes.join("; ");
  return made;
}

function line(direction) {
  const made = element("tr");
  const name = element("th", null, { scope: "row" });
  const button = element("button", direction.name, { type: "button" });
  button.addEventListener("click", () => showExamples(direction, true));
  name.append(button);
  made.append(name, element("td", `${direction.source} → ${direction.target}`), element("td", direction.tier));
  eachCell((measure, place, _, system) => made.append(figure(direction, measure, place, system)));
  return made;
}

function show() {
  const head = element("tr");
  head.append(heading("direction", -1, 0), element("th", "languages"), element("th", "tier"));
  eachCell((measure, place, name, system) =>
    head.append(heading(several ? `${measure.title} ${name}` : measure.title, place, system)));
  table.tHead.replaceChildren(head);
  const rows = data.directions.filter(wanted).sort(compared);
  table.tBodies[0].replaceChildren(...rows.map(line));
  document.getElementById("count").textContent = `${rows.length} of ${data.directions.length} directions`;
}

function text(title, content, language, note) {
  const made = element("div");
  const head = element("h4", title);
  if (note) head.append(" ", element("small", note));
  made.append(head, element("div", content, { class: "text", dir: "auto", lang: language }));
  return made;
}

function example(one, direction) {
  const made = element("div", null, { class: "row" });
  made.append(element("small", `line ${one.id}`));
  if (one.source !== null) made.append(text("source", one.source, direction.codes[0]));
  if (one.reference !== null) made.append(text("reference", one.reference, direction.codes[1]));
  const outputs = element("div", null, { class: "outputs" });
  one.outputs.forEach((output, system) => {
    if (output === null) return;
    const note = [output.score === null ? "" : `chrF ${output.score.toFixed(1)}`, ...output.flags];
    outputs.append(text(data.systems[system], output.text, direction.codes[1],
      note.filter(Boolean).join(", ").replaceAll("_", " ")));
  });
  made.append(outputs);
  return made;
}

function showExamples(direction, scroll) {
  const kinds = data.systems.map((name, place) => [`worst ${place}`, `lowest scores of ${name}`]);
  if (several) kinds.push(["fall", `falls most from ${data.systems[0]} to ${data.systems[1]}`]);
  kinds.push(["chosen", "chosen by hash"]);
  const section = document.getElementById("examples");
  section.replaceChildren(element("h3", `${direction.name}: ${direction.source} → ${direction.target}`));
  kinds.forEach(([kind, title], place) => {
    const rows = direction.examples.filter((one) => one.why.includes(kind));
    if (!rows.length) return;
    const fold = element("details");
    fold.open = place === 0;
    fold.append(element("summary", title), ...rows.map((one) => example(one, direction)));
    section.append(fold);
  });
  if (scroll) section.scrollIntoView({ behavior: "smooth", block: "start" });
}

data.directions.forEach((direction, place) => { direction.place = place; });
for (const name of ["language", "tier", "group"])
  document.getElementById(name).addEventListener("input", show);
document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
show();
const first = data.directions.find((one) => one.examples.length);
if (first) showExamples(first, false);
