/** Small steps on the document. Keeps no state. */
export function element<E extends HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as E;
}

export function make(tag: string, text = "", className = ""): HTMLElement {
  const made = document.createElement(tag);
  if (text !== "") made.textContent = text;
  if (className !== "") made.className = className;
  return made;
}

/** Sets the text only when it is another one: a live region speaks at every write. */
export function putText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  title = "",
): SVGElement {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (title !== "") {
    const tip = document.createElementNS("http://www.w3.org/2000/svg", "title");
    tip.textContent = title;
    made.append(tip);
  }
  return made;
}

/** A canvas that fills its box at the screen's own resolution. */
export function fitCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D {
  const scale = Math.min(3, window.devicePixelRatio || 1);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser has no canvas");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

/** Adds what is new to a list of choices and keeps it sorted; a choice without a value ("all") stays first. */
export function addChoices(
  id: string,
  names: readonly string[],
  order: (a: string, b: string) => number,
): void {
  const list = element<HTMLSelectElement>(id);
  const there = new Set([...list.options].map((option) => option.value));
  const more = new Set(names.filter((name) => !there.has(name)));
  for (const name of more) {
    const after = [...list.options].find(
      (option) => option.value !== "" && order(name, option.value) < 0,
    );
    list.add(new Option(name, name), after ?? null);
  }
}

/** What the style sheet's colours are in the theme that is shown: canvases cannot ask `var()`. */
export function readColours<Name extends string>(names: readonly Name[]): Record<Name, string> {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colours = Object.fromEntries(
    names.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  ) as Record<Name, string>;
  probe.remove();
  return colours;
}

/** Calls when the theme changes: by the button, or by the system. */
export function onTheme(call: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", call);
  new MutationObserver(call).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

/** A small box beside the pointer. */
export function showTip(tip: HTMLElement, text: string, x: number, y: number, width: number): void {
  tip.hidden = text === "";
  putText(tip, text);
  if (text === "") return;
  const left = Math.max(4, Math.min(x + 12, width - tip.offsetWidth - 4));
  const top = y > tip.offsetHeight + 16 ? y - tip.offsetHeight - 10 : y + 14;
  tip.style.transform = `translate(${left}px, ${top}px)`;
}
