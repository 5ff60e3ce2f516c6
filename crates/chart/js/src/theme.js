// The one look. Every colour stands in `palette` with its twin for dark pages; the compiled chart carries the map, so the
// page needs no theme of its own.

/** Hues of series, told apart under the three kinds of colour blindness (tests/all/palette.rs); the page's accent is the first. */
export const series = [
  ['#0b7285', '#74c7d1'],
  ['#f0a028', '#e0902a'],
  ['#642fb3', '#794bb6'],
  ['#15c19a', '#d8dba1'],
  ['#833748', '#be2142'],
  ['#bc88fa', '#929ce4'],
  ['#674b16', '#c29a59'],
  ['#7cae59', '#826b0b'],
  ['#cc79c3', '#94497a'],
  ['#ba5e0b', '#fd5d85'],
];

/** For amounts: more ink is more on white, more light is more on black. */
const ramp = [
  ['#e6f2f3', '#14292d'],
  ['#bcdde1', '#1b464e'],
  ['#86c0c8', '#236b77'],
  ['#4a9dab', '#3f93a0'],
  ['#0b7285', '#74c7d1'],
  ['#084d58', '#bdeaf0'],
];

const diverging = [
  ['#b4531a', '#f0995f'],
  ['#df925f', '#a8602f'],
  ['#f3cdb4', '#5a3620'],
  ['#f2f2ee', '#25282b'],
  ['#bcdde1', '#1b464e'],
  ['#4a9dab', '#3f93a0'],
  ['#084d58', '#bdeaf0'],
];

const ink = ['#1a1c1f', '#e9e9e6'];
const body = ['#4f5358', '#b0b4b9'];
const muted = ['#66696e', '#969ba1'];
const line = ['#cfcfc9', '#3d4247'];
const hair = ['#e9e9e4', '#2a2e32'];
const paper = ['#ffffff', '#131517'];

const light = (pair) => pair[0];

/** Colours of the light look to those of the dark one. */
export const dark = Object.fromEntries([...series, ...ramp, ...diverging, ink, body, muted, line, hair, paper]);

/** Vega-Lite's `config`. */
export const theme = {
  aria: false,
  background: light(paper),
  font: 'Inter, sans-serif',
  padding: { left: 16, top: 16, right: 20, bottom: 14 },
  customFormatTypes: false,
  countTitle: 'Number of rows',
  view: { stroke: null },
  title: {
    anchor: 'start',
    frame: 'bounds',
    fontSize: 15,
    fontWeight: 600,
    lineHeight: 20,
    color: light(ink),
    subtitleColor: light(muted),
    subtitleFontSize: 12,
    subtitleFontWeight: 400,
    subtitleLineHeight: 16,
    subtitlePadding: 5,
    offset: 14,
  },
  axis: {
    labelColor: light(muted),
    labelFontSize: 11,
    labelPadding: 6,
    labelLimit: 170,
    titleColor: light(body),
    titleFontSize: 11,
    titleFontWeight: 500,
    titlePadding: 10,
    grid: false,
    ticks: false,
    domain: false,
    gridColor: light(hair),
    domainColor: light(line),
    tickColor: light(line),
  },
  axisX: { domain: true, labelFlush: true, labelOverlap: 'greedy', labelSeparation: 8 },
  axisQuantitative: { grid: true, tickCount: 5 },
  axisTemporal: { tickCount: 7 },
  axisXDiscrete: { labelFlush: false },
  axisYDiscrete: { labelOverlap: false },
  legend: {
    orient: 'top',
    direction: 'horizontal',
    labelColor: light(body),
    labelFontSize: 11.5,
    labelLimit: 180,
    titleColor: light(muted),
    titleFontSize: 11,
    titleFontWeight: 500,
    titleLimit: 240,
    symbolSize: 70,
    symbolStrokeWidth: 2.5,
    columnPadding: 14,
    rowPadding: 4,
    offset: 10,
    padding: 0,
    gradientThickness: 8,
    gradientLength: 160,
  },
  header: {
    title: null,
    labelColor: light(ink),
    labelFontSize: 12,
    labelFontWeight: 600,
    labelPadding: 6,
    labelAnchor: 'start',
    labelLimit: 170,
  },
  mark: { color: light(series[0]), tooltip: { content: 'encoding' } },
  bar: { cornerRadiusEnd: 2 },
  line: { strokeWidth: 2.25, strokeCap: 'round', strokeJoin: 'round' },
  area: { fillOpacity: 0.92 },
  point: { filled: true, size: 34, opacity: 0.7 },
  circle: { size: 34, opacity: 0.7 },
  square: { size: 34, opacity: 0.7 },
  arc: { stroke: light(paper), strokeWidth: 1.5 },
  rule: { color: light(muted) },
  tick: { thickness: 2 },
  text: { color: light(body), fontSize: 11 },
  boxplot: { size: 30, box: { color: light(series[0]) }, median: { color: light(paper) } },
  scale: {
    barBandPaddingInner: 0.28,
    rectBandPaddingInner: 0.04,
    offsetBandPaddingInner: 0.06,
  },
  range: {
    category: series.map(light),
    ordinal: ramp.slice(1).map(light),
    ramp: ramp.map(light),
    heatmap: ramp.map(light),
    diverging: diverging.map(light),
  },
};
