// Vega-Lite with data, themed, into Vega whose picture has the wanted width.
import { compile } from 'vega-lite';

import { draw } from './draw.js';
import { dark, theme } from './theme.js';

const SMALLEST_CELL = 60;
const silent = {
  level() {
    return silent;
  },
  error() {
    return silent;
  },
  warn() {
    return silent;
  },
  info() {
    return silent;
  },
  debug() {
    return silent;
  },
};

function toVega(spec, meta) {
  const vega = compile(spec, { config: theme, logger: silent }).spec;
  vega.usermeta = { ...meta, dark };
  return vega;
}

// The page moves cells to the next row where it has less room, so the number of columns must be a signal.
function letColumnsVary(vega) {
  const { columns } = vega.layout;
  if (typeof columns !== 'number') return;
  vega.layout.columns = { signal: 'cell_columns' };
  vega.signals = [...(vega.signals ?? []), { name: 'cell_columns', value: columns }];
  for (const { name, transform } of vega.data) {
    if (name !== 'facet_domain_row' && name !== 'facet_domain_column') continue;
    const { stop } = transform[0];
    stop.signal = stop.signal.replace(/\d+\)$/, 'cell_columns)');
  }
}

async function prepareSingle(spec, options) {
  const sized = {
    ...spec,
    width: options.width,
    height: options.height,
    autosize: { type: 'fit', contains: 'padding', resize: false },
  };
  const vega = toVega(sized, { layout: 'fit' });
  return { vega, ...(await draw(vega)) };
}

// `fit` does not work for facets: lay out with a guess, see what stands around the cells, and give them the rest. Labels
// that stick out of narrow cells make a third pass necessary at times.
async function prepareCells(spec, options) {
  const columns = options.columns;
  const layOut = async (cellWidth, around) => {
    const inner = spec.spec ?? spec;
    const sized = { ...inner, width: cellWidth, height: options.height };
    const whole = spec.spec ? { ...spec, spec: sized } : sized;
    const vega = toVega(whole, { layout: 'cells', columns, cellWidth, around });
    letColumnsVary(vega);
    return { vega, ...(await draw(vega)) };
  };
  let cellWidth = Math.floor((options.width - 100) / columns);
  let laidOut = await layOut(cellWidth, 100);
  for (let pass = 0; pass < 3; pass += 1) {
    const around = laidOut.width - cellWidth * columns;
    const fitting = Math.max(SMALLEST_CELL, Math.floor((options.width - around) / columns));
    const isSettled = Math.abs(laidOut.width - options.width) < columns && pass > 0;
    if (isSettled || (fitting === cellWidth && pass > 0)) break;
    cellWidth = fitting;
    laidOut = await layOut(cellWidth, around);
  }
  return laidOut;
}

export async function prepare(spec, options) {
  return options.columns ? prepareCells(spec, options) : prepareSingle(spec, options);
}
