"use strict";
// What the page's address says behind its "#": a place, and how its controls stand there, as "#place?set=Set14".

function asked() {
  const [place, query = ""] = location.hash.slice(1).split("?");
  return { place: decodeURIComponent(place), how: new URLSearchParams(query) };
}

// Puts a place and its controls into the address, so that it can be sent to somebody.
function remember(place, how) {
  const query = new URLSearchParams(Object.entries(how).filter(([, value]) => value)).toString();
  history.replaceState(null, "", `#${place}${query && `?${query}`}`);
}

// What is looked for: any of several names, as "span rlfn"; of a name in quotes all of it.
function wanted(text) {
  const names = [...text.matchAll(/"([^"]+)"|(\S+)/g)].map((found) => found[1] ?? found[2]);
  return new RegExp(names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "i");
}

const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);

function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}
