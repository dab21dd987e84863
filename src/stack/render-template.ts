import ejs from "ejs";

/**
 * Renders one EJS template of templates/host. Nothing is escaped: the templates are configuration files, not HTML.
 * @throws TypeError when the template is not there; a variable that is missing throws too
 */
export function renderTemplate(
  templates: ReadonlyMap<string, string>,
  path: string,
  data: Readonly<Record<string, unknown>>,
): string {
  const text = templates.get(path);
  if (text === undefined) throw new TypeError(`no template ${path}`);
  let render = compiled.get(text);
  if (render === undefined) {
    render = ejs.compile(text, { escape: String, async: false });
    compiled.set(text, render);
  }
  return render(data);
}

/** The same text always gives the same function: several services and hosts share it. */
const compiled = new Map<string, (data: Readonly<Record<string, unknown>>) => string>();
