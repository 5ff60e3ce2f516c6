// Vega into SVG, with nothing loaded and nothing swallowed.
import * as vega from 'vega';
import { expressionInterpreter } from 'vega-interpreter';

const refuse = (what) => () => Promise.reject(new Error(`${what} is not allowed in a chart`));
const loader = {
  options: {},
  load: refuse('loading data'),
  http: refuse('loading data'),
  file: refuse('loading data'),
  sanitize: refuse('a link'),
};

// Widths come from the host, which reads the very fonts that the picture is drawn with.
const widths = new Map();
vega.textMetrics.width = (item, text) => {
  const plain = text == null ? '' : String(text).trim();
  if (!plain) return 0;
  const weight = item.fontWeight === 'bold' ? 700 : Number(item.fontWeight) || 400;
  const key = `${weight}|${plain}`;
  let ems = widths.get(key);
  if (ems === undefined) {
    ems = globalThis.measureEms(weight, plain);
    widths.set(key, ems);
  }
  const pixels = ems * (item.fontSize ?? 11);
  return item.limit > 0 ? Math.min(pixels, item.limit) : pixels;
};

// Nobody points at a picture, and what a pointer would show is the dearest part of every mark.
function withoutTooltips(marks) {
  return marks?.map((mark) => {
    const copy = { ...mark };
    if (mark.marks) copy.marks = withoutTooltips(mark.marks);
    if (mark.encode?.update?.tooltip) {
      const { tooltip: _, ...update } = mark.encode.update;
      copy.encode = { ...mark.encode, update };
    }
    return copy;
  });
}

// Vega reports failures to the logger alone, those of loading as warnings, and goes on with an empty picture.
function listener() {
  const failures = [];
  const note = (words) => failures.push(words.map((word) => word?.message ?? String(word)).join(' '));
  const log = {
    failures,
    level: () => log,
    error(...words) {
      note(words);
      return log;
    },
    warn(...words) {
      if (words[0] === 'Loading failed') note(words);
      return log;
    },
    info: () => log,
    debug: () => log,
  };
  return log;
}

// Axes, legends and titles have roles of their own.
function countMarks(mark) {
  if (mark.marktype !== 'group') {
    return mark.role === 'mark' ? mark.items.filter((item) => item.defined !== false).length : 0;
  }
  let count = 0;
  for (const group of mark.items) {
    for (const inner of group.items) count += countMarks(inner);
  }
  return count;
}

/** Draws a Vega spec: `{svg, width, height, marks}`, sizes in CSS pixels, `marks` the number of items drawn from data. */
export async function draw(spec) {
  const log = listener();
  const view = new vega.View(vega.parse({ ...spec, marks: withoutTooltips(spec.marks) }, null, { ast: true }), {
    expr: expressionInterpreter,
    loader,
    logger: log,
    renderer: 'none',
  });
  try {
    const svg = await view.toSVG(1);
    if (log.failures.length > 0) throw new Error(log.failures[0]);
    const root = view.scenegraph().root;
    // The engine throws `null` where it has no room left for an error, and Vega takes that for none.
    if (root.items[0].items.length < spec.marks.length) throw new Error('out of memory');
    const size = /^<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg);
    return {
      svg,
      width: Math.ceil(Number(size[1])),
      height: Math.ceil(Number(size[2])),
      marks: countMarks(root),
    };
  } finally {
    view.finalize();
  }
}
