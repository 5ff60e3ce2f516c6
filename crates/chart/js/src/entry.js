// What the host calls: JSON text in, a promise of JSON text out.
import './polyfill.js';

import { draw } from './draw.js';
import { prepare } from './prepare.js';

globalThis.prepareChart = async (spec, options) =>
  JSON.stringify(await prepare(JSON.parse(spec), JSON.parse(options)));

globalThis.drawChart = async (vega) => JSON.stringify(await draw(JSON.parse(vega)));
