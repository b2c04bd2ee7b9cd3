"use strict";
// Lays two crops of one place over each other, whole pixels magnified, with a divider that a slider or the pointer moves.

const LARGEST = 640; // CSS pixels a side

function startViewer(section) {
  const viewer = section.querySelector(".viewer");
  const [place, left, right] = ["place", "left", "right"].map((name) => viewer.querySelector(`.${name}`));
  const stage = viewer.querySelector(".stage");
  const [under, over] = ["under", "over"].map((name) => viewer.querySelector(`.${name}`));
  const slider = viewer.querySelector("input");
  const strips = [...section.querySelectorAll(".strip")];
  const shots = () => [...strips[place.value].querySelectorAll("img")];
  const chosen = (list) => shots().find((shot) => shot.dataset.name === list.value);

  // Whole multiples only: of a pixel magnified 2.8 times some rows would be thicker than others.
  function fit() {
    const size = Number(strips[place.value].dataset.size);
    const room = Math.min(LARGEST, viewer.clientWidth);
    if (room) viewer.style.setProperty("--side", `${size * Math.max(1, Math.floor(room / size))}px`);
  }
  function wipe() {
    over.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${left.value}, ${100 - slider.value} % ${right.value}`);
  }
  function show() {
    const words = [left, right].map((list, i) => {
      const shot = chosen(list);
      const image = i ? under : over;
      image.src = shot.src;
      image.alt = shot.alt;
      const psnr = shot.dataset.psnr ? `, PSNR of Y ${shot.dataset.psnr} dB` : "";
      return `${i ? "Right" : "Left"}: ${shot.dataset.name}${psnr}.`;
    });
    viewer.querySelector("output").textContent = words.join(" ");
    wipe();
  }
  function fill() {
    const names = shots().map((shot) => shot.dataset.name);
    [left, right].forEach((list, i) => {
      const before = list.value;
      list.replaceChildren(...names.map((name) => new Option(name)));
      list.value = names.includes(before) ? before : i ? names[names.length - 1] : names[Math.min(1, names.length - 1)];
    });
    fit();
    show();
  }
  function drag(event) {
    if (!(event.buttons & 1)) return;
    const box = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    wipe();
  }
  place.addEventListener("change", fill);
  left.addEventListener("change", show);
  right.addEventListener("change", show);
  slider.addEventListener("input", wipe);
  stage.addEventListener("pointerdown", drag);
  stage.addEventListener("pointermove", drag);
  new ResizeObserver(fit).observe(viewer);
  viewer.hidden = false;
  fill();
}

document.querySelectorAll("section.crops").forEach(startViewer);
