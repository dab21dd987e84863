/** What the reader chose and the browser remembers: colours and the time zone. */
import { element } from "./dom.ts";

/** Storage may be forbidden; then a choice holds until the page is closed. */
export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    return;
  }
}

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

const systemDark = matchMedia("(prefers-color-scheme: dark)");

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === undefined ? systemDark.matches : chosen === "dark";
}

function nameButton(): void {
  const name = isDark() ? "Light colours" : "Dark colours";
  element("theme").setAttribute("aria-label", name);
  element("theme").title = name;
}

/** The button says what it will do; until it is pressed the system's choice stands. */
export function offerThemes(): void {
  element("theme").addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset["theme"] = theme;
    remember("theme", theme);
    nameButton();
  });
  systemDark.addEventListener("change", nameButton);
  nameButton();
}
