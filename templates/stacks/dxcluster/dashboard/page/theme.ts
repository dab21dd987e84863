/** Runs before the first paint, so that a chosen theme never flashes in the other one's colours. */
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset["theme"] = chosen;
} catch {
  // Storage may be forbidden; then the system's choice stands.
}
export {};
