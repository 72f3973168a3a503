"use strict";
// Whatever comes from the daemon is put in as text, never as markup.

const $ = (id) => document.getElementById(id);
const streams = new Map(); // id → { data, card }
let profiles = [];
let received = 0; // when the profiles came, for the countdown

async function call(method, path, body) {
  const answer = await fetch("/api/v1" + path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  throw new Error([problem.error || answer.statusText, problem.hint].filter(Boolean).join(". "));
}

function duration(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds / 3600) % 24} h`;
}

function bitrate(kilobits) {
  return kilobits >= 1000 ? `${(kilobits / 1000).toFixed(1)} Mbit/s` : `${kilobits} kbit/s`;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) { bytes /= 1000; at += 1; }
  return `${bytes.toFixed(at ? 1 : 0)} ${units[at]}`;
}

function make(data) {
  const card = $("stream-template").content.firstElementChild.cloneNode(true);
  const button = (name) => card.querySelector("." + name);
  card.dataset.id = data.id;
  card.querySelector("h3").textContent = data.id;
  const act = async (method, path, control) => {
    control.disabled = true;
    const failure = card.querySelector(".error");
    try {
      await call(method, `/streams/${encodeURIComponent(data.id)}${path}`);
    } catch (error) {
      failure.textContent = error.message;
      failure.hidden = false;
    } finally {
      control.disabled = false;
    }
  };
  for (const [name, path] of [["start", "/start"], ["stop", "/stop"], ["again", "/restart"]]) {
    button(name).setAttribute("aria-label", `${button(name).textContent} ${data.id}`);
    button(name).addEventListener("click", (event) => act("POST", path, event.currentTarget));
  }
  button("remove").setAttribute("aria-label", `Remove ${data.id}`);
  button("remove").addEventListener("click", (event) => {
    if (confirm(`Remove the stream ${data.id}?`)) act("DELETE", "", event.currentTarget);
  });
  return card;
}

function graph(card, rates) {
  const svg = card.querySelector(".graph");
  const most = Math.max(1, ...rates);
  // A minute at least, three at most.
  const step = 180 / (Math.max(30, rates.length) - 1);
  const points = rates.map((rate, at) => `${(180 - (rates.length - 1 - at) * step).toFixed(1)} ${(38 - (rate / most) * 36).toFixed(1)}`);
  const line = points.length > 1 ? "M" + points.join("L") : "";
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".area").setAttribute("d", line && `${line}L180 40L${points[0].split(" ")[0]} 40Z`);
  svg.classList.toggle("flat", most <= 1);
  svg.setAttribute("aria-label", `Bitrate of the last minutes, at most ${bitrate(most)}`);
}

function show(card, data) {
  const state = card.querySelector(".state");
  state.textContent = data.state;
  state.className = "state " + data.state;
  card.querySelector(".badge").hidden = data.source !== "file";
  const facts = [];
  if (data.uptime !== null) facts.push(`up ${duration(data.uptime)}`);
  if (data.bitrate) facts.push(bitrate(data.bitrate));
  if (data.bytes_read) facts.push(size(data.bytes_read));
  if (data.token_swaps) facts.push(`${data.token_swaps} token swaps`);
  if (data.reconnects) facts.push(`${data.reconnects} reconnects`);
  if (data.gaps) facts.push(`${data.gaps} gaps`);
  if (data.restarts) facts.push(`${data.restarts} restarts`);
  if (data.output_lag > 10) facts.push(`${Math.round(data.output_lag)} s behind`);
  card.querySelector(".facts").textContent = facts.join(" · ");
  graph(card, data.bitrates);
  const failure = card.querySelector(".error");
  failure.hidden = !data.error;
  failure.textContent = data.error ? [data.error.message, data.error.hint].filter(Boolean).join(". ") : "";
  card.querySelector(".run").textContent = data.run;
  const runs = data.desired === "running" && !["done", "failed"].includes(data.state);
  card.querySelector(".start").hidden = runs;
  card.querySelector(".stop").hidden = !runs;
  card.querySelector(".again").hidden = !runs;
  card.querySelector(".remove").hidden = data.source === "file";
  if (!["running", "starting"].includes(data.state)) picture(card, null);
}

function picture(card, url) {
  const image = card.querySelector(".picture img");
  image.hidden = !url;
  card.querySelector(".no-picture").hidden = Boolean(url);
  if (url) {
    image.src = url;
    image.alt = `Recent picture of ${card.dataset.id}`;
  } else {
    image.removeAttribute("src");
  }
}

// Pictures of what can be seen, one after another.
async function pictures() {
  if (document.hidden) return;
  for (const { data, card } of [...streams.values()]) {
    const box = card.getBoundingClientRect();
    if (data.state !== "running" || box.bottom < 0 || box.top > innerHeight) continue;
    try {
      const answer = await fetch(`/api/v1/streams/${encodeURIComponent(data.id)}/thumbnail`);
      if (!answer.ok) continue;
      const bytes = new Uint8Array(await answer.arrayBuffer());
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      picture(card, "data:image/jpeg;base64," + btoa(text));
    } catch { return; }
  }
}

function tokens() {
  const passed = Math.floor((Date.now() - received) / 1000);
  $("profiles").replaceChildren(...profiles.map((profile) => {
    const item = document.createElement("li");
    const name = document.createElement("b");
    name.textContent = profile.name;
    const life = document.createElement("span");
    if (!profile.in_use) life.textContent = "not in use";
    else if (profile.expires_in === null) life.textContent = profile.generation ? "no expiry" : "no token yet";
    else {
      const left = Math.max(0, profile.expires_in - passed);
      life.textContent = left ? `expires in ${duration(left)}` : "expired";
    }
    item.append(name, life);
    if (profile.error) {
      const error = document.createElement("span");
      error.className = "bad";
      error.textContent = profile.error;
      item.append(error);
    }
    return item;
  }));
  $("tokens-title").hidden = profiles.length === 0;
}

function update(event) {
  for (const id of event.removed) {
    streams.get(id)?.card.remove();
    streams.delete(id);
  }
  for (const data of event.streams) {
    let entry = streams.get(data.id);
    if (!entry) {
      entry = { card: make(data) };
      streams.set(data.id, entry);
      const after = [...streams.keys()].sort().find((id) => id > data.id && streams.get(id).card.isConnected);
      $("streams").insertBefore(entry.card, after ? streams.get(after).card : null);
    }
    entry.data = data;
    show(entry.card, data);
  }
  profiles = event.profiles;
  received = Date.now();
  tokens();
  const all = [...streams.values()].map((entry) => entry.data);
  const running = all.filter((data) => data.state === "running").length;
  const failed = all.filter((data) => data.state === "failed" || data.state === "waiting").length;
  const rate = all.reduce((sum, data) => sum + (data.state === "running" ? data.bitrate || 0 : 0), 0);
  const text = `${running} of ${all.length} running` + (failed ? `, ${failed} in trouble` : "") + (rate ? `, ${bitrate(rate)}` : "");
  if ($("summary").textContent !== text) $("summary").textContent = text;
  document.title = failed ? `(${failed}) ffauth` : "ffauth";
  $("empty").hidden = all.length > 0;
}

function listen() {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("message", (message) => update(JSON.parse(message.data)));
  source.addEventListener("open", () => {
    // Everything comes anew.
    for (const { card } of streams.values()) card.remove();
    streams.clear();
  });
  source.addEventListener("error", () => {
    $("summary").textContent = "No connection to the daemon. Trying again…";
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  });
}

$("add").addEventListener("click", () => {
  $("form").reset();
  $("form-error").textContent = "";
  $("dialog").showModal();
});
$("cancel").addEventListener("click", () => $("dialog").close());
$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("create").disabled = true;
  try {
    await call("POST", "/streams", { id: $("new-id").value.trim(), run: $("new-run").value, restart: $("new-restart").value });
    $("dialog").close();
  } catch (error) {
    $("form-error").textContent = error.message;
  } finally {
    $("create").disabled = false;
  }
});

setInterval(tokens, 1000);
setInterval(pictures, 5000);
setTimeout(pictures, 1500);
listen();
