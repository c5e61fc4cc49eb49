// Conveniences only: every page works without this file.
(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];
  const rows = () => all("[data-row]");
  let at = -1;

  // --- keys: j and k move, x picks, Enter opens, a approves, r rejects ---
  const move = (to) => {
    const found = rows();
    if (!found.length) return;
    at = Math.max(0, Math.min(found.length - 1, to));
    found.forEach((row, place) => row.classList.toggle("at", place === at));
    const target = found[at].querySelector("input[name=pick]:not(:disabled), a");
    (target || found[at]).focus();
    found[at].scrollIntoView({ block: "nearest" });
  };
  const press = (value) => document.querySelector(`button[name=decision][value=${value}]`)?.click();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const is = event.target;
    const writes = is.matches("textarea, select, input:not([type=checkbox]):not([type=radio])");
    if (event.key === "Escape") {
      all("details.menu[open]").forEach((menu) => { menu.open = false; });
      if (writes) is.blur();
    }
    if (writes) return;
    const here = rows().indexOf(is.closest("[data-row]"));
    if (here >= 0) at = here;
    if (event.key === "j") move(at + 1);
    else if (event.key === "k") move(at - 1);
    else if (event.key === "x") rows()[at]?.querySelector("input[name=pick]")?.click();
    else if (event.key === "a") press("approve");
    else if (event.key === "r") {
      const reason = document.querySelector("[name=reason]");
      if (reason && !reason.value.trim()) reason.focus();
      else press("reject");
    } else return;
    event.preventDefault();
  });

  // --- what is picked: how many, and the sum in each currency, exact ---
  const amount = (units, decimals) => {
    const digits = units.toString().padStart(decimals + 1, "0");
    const cut = digits.length - decimals;
    const whole = digits.slice(0, cut).replace(/\B(?=(\d{3})+$)/g, ",");
    return decimals ? `${whole}.${digits.slice(cut)}` : whole;
  };
  const count = () => {
    const place = document.querySelector("[data-picked]");
    if (!place) return;
    const sums = new Map();
    const picked = all("input[name=pick]:checked");
    for (const { dataset } of picked) {
      const [sum] = sums.get(dataset.currency) || [0n];
      sums.set(dataset.currency, [sum + BigInt(dataset.units), Number(dataset.decimals)]);
    }
    const parts = [...sums].map(([currency, [sum, decimals]]) => `${amount(sum, decimals)} ${currency}`);
    place.textContent = picked.length ? `${picked.length} picked: ${parts.join(", ")}` : "Nothing is picked";
    const every = document.querySelector("[data-every]");
    if (every) every.checked = picked.length > 0 && !all("input[name=pick]:not(:checked):not(:disabled)").length;
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-every]")) {
      all("input[name=pick]:not(:disabled)").forEach((box) => { box.checked = event.target.checked; });
    }
    count();
    keep();
  });

  // --- what is picked outlives another page, a reload, and a login in between; not its decision ---
  const PICKED = "c2c-picked";
  const reason = () => document.querySelector(".bar [name=reason]");
  const keep = () => {
    if (!document.querySelector("[data-picked]")) return;
    const picks = all("input[name=pick]:checked").map((box) => box.value);
    try { sessionStorage.setItem(PICKED, JSON.stringify({ picks, why: reason()?.value })); } catch { /* off */ }
  };
  const restore = () => {
    if (!document.querySelector("[data-picked]")) return;
    let kept = {};
    try { kept = JSON.parse(sessionStorage.getItem(PICKED)) || {}; } catch { /* off */ }
    if (document.querySelector("#outcome .outcome")) return keep();
    for (const box of all("input[name=pick]")) if (kept.picks?.includes(box.value)) box.checked = true;
    if (reason() && !reason().value) reason().value = kept.why || "";
  };

  // --- what this browser saw of each row: asks for what changed since ---
  const SEEN = "c2c-seen";
  const asked = new Set();
  const read = () => { try { return JSON.parse(localStorage.getItem(SEEN)) || {}; } catch { return {}; } };
  const look = () => {
    const seen = read();
    // Who opened the page of a thing has seen what it says now.
    for (const { dataset } of all("[data-looked]")) if (dataset.hash) seen[dataset.looked] = dataset.hash;
    const since = [];
    for (const { dataset: { row, hash } } of all("[data-row][data-hash]")) {
      seen[row] ??= hash;
      if (seen[row] !== hash && !asked.has(row + hash)) since.push(`since=${encodeURIComponent(`${row}:${seen[row]}`)}`);
      asked.add(row + hash);
    }
    const kept = Object.fromEntries(Object.entries(seen).slice(-500));
    try { localStorage.setItem(SEEN, JSON.stringify(kept)); } catch { /* full, or off */ }
    const place = document.querySelector("[data-changes]")?.dataset.changes;
    if (place && since.length && window.htmx) {
      const address = place + (place.includes("?") ? "&" : "?") + since.slice(0, 20).join("&");
      htmx.ajax("GET", address, { target: "#main", swap: "innerMorph" });
    }
  };
  const ready = () => { count(); look(); };
  document.addEventListener("DOMContentLoaded", () => { restore(); ready(); });
  document.addEventListener("htmx:after:settle", ready);
  document.addEventListener("htmx:after:swap", () => { ready(); keep(); });
})();
