/**
 * What the first view does not need. It is loaded when something of it is wanted, so that the first
 * view stays small; the page has it in its model.
 */

import { aboutData } from "./about_data.js";
import { MORE } from "./cards/more.js";
import { dashboardHead, dashboardItems, dashboardMenu, dashboardName } from "./dashboards.js";
import { definitions } from "./definitions.js";
import { drillPieces } from "./drill.js";
import { drillPanel } from "./drill_panel.js";
import { helpTree } from "./help.js";
import { askKept, listKept } from "./kept.js";
import { periodForm } from "./period_form.js";
import { saveButtons } from "./save_buttons.js";

export {
  aboutData,
  askKept,
  dashboardHead,
  dashboardItems,
  dashboardMenu,
  dashboardName,
  definitions,
  drillPanel,
  drillPieces,
  helpTree,
  listKept,
  MORE,
  periodForm,
  saveButtons,
};
