/** The page's entry. */
import { Dashboard } from "./dashboard.ts";
import { offerThemes } from "./preferences.ts";

offerThemes();
new Dashboard().start();
