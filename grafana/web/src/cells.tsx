// Heat map and state timeline on @grafana/ui's uPlot chart: a row for each series, a cell for each step.
import { FieldType, formattedValueToString, getFieldDisplayName, type DataFrame, type DisplayProcessor, type GrafanaTheme2 } from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder } from '@grafana/ui';
import { interpolateCividis, interpolatePuOr } from 'd3-scale-chromatic';
import { useMemo } from 'react';
import { regions } from './events';
import type { Look, Panel } from './frames';

interface Row { name: string; values: Array<number | null>; display: DisplayProcessor }
interface Props { frames: DataFrame[]; width: number; height: number; theme: GrafanaTheme2; look: Look }

function rowsOf(frames: DataFrame[]): Row[] {
  return frames.map((frame) => {
    const field = frame.fields.find((each) => each.type === FieldType.number)!;
    return { name: getFieldDisplayName(field, frame, frames), values: field.values, display: field.display! };
  });
}

// Bin edges in the order of their numbers; names in the order they came, the first on top.
function ordered(rows: Row[]): Row[] {
  const edge = (row: Row) => Number(row.name.replace('Inf', 'Infinity'));
  return rows.every((row) => !Number.isNaN(edge(row))) ? [...rows].sort((a, b) => edge(a) - edge(b)) : [...rows].reverse();
}

function chart(times: number[], rows: Row[], theme: GrafanaTheme2, look: Look, fill: (row: Row, value: number) => string, words: boolean) {
  const builder = new UPlotConfigBuilder('utc');
  const { step, from, to } = look.span;
  builder.addScale({ scaleKey: 'x', isTime: true, orientation: ScaleOrientation.Horizontal, direction: ScaleDirection.Right, range: () => [from, to] });
  builder.addScale({ scaleKey: 'y', isTime: false, orientation: ScaleOrientation.Vertical, direction: ScaleDirection.Up, range: () => [0, rows.length] });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: 'utc', theme, grid: { show: false } });
  const longest = Math.max(...rows.map((row) => row.name.length));
  builder.addAxis({
    scaleKey: 'y', placement: AxisPlacement.Left, theme, grid: { show: false }, size: Math.min(270, 24 + longest * 6.6),
    splits: (u) => rows.map((_, index) => index + 0.5).filter((_, index) => index % Math.ceil((13 * rows.length) / (u.bbox.height / devicePixelRatio)) === 0), values: (_, splits) => splits.map((at) => rows[Math.floor(at)]?.name ?? ''),
  });
  builder.addSeries({ scaleKey: 'y', theme, pxAlign: false, show: true, lineWidth: 0 } as never);
  builder.addHook('draw', (u) => {
    const { ctx } = u;
    const tall = Math.abs(u.valToPos(0, 'y', true) - u.valToPos(1, 'y', true));
    const gap = words ? Math.max(2, tall * 0.12) : 0;
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    rows.forEach((row, index) => {
      const top = Math.round(u.valToPos(index + 1, 'y', true)) + gap / 2;
      const high = Math.round(u.valToPos(index, 'y', true)) - gap / 2 - top;
      let start = 0;
      for (let i = 0; i < times.length; i++) {
        const merged = words && i + 1 < times.length && row.values[i + 1] === row.values[i];
        if (merged) {
          continue;
        }
        const value = row.values[start];
        if (value !== null && value !== undefined) {
          const left = Math.round(u.valToPos(times[start], 'x', true)); // whole pixels, or cells leave seams
          const wide = Math.round(u.valToPos(times[i] + step, 'x', true)) - left;
          ctx.fillStyle = fill(row, value);
          ctx.fillRect(left, top, wide, high);
          if (words) {
            label(ctx, row.display(value).text, left, top, wide, high, u);
          }
        }
        start = i + 1;
      }
    });
    ctx.restore();
  });
  return builder;
}

function label(ctx: CanvasRenderingContext2D, text: string, left: number, top: number, wide: number, tall: number, u: import('uplot')) {
  ctx.font = `${11 * devicePixelRatio}px sans-serif`;
  if (ctx.measureText(text).width + 8 > wide || u.height < 10) {
    return;
  }
  ctx.fillStyle = '#111';
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  ctx.fillText(text, left + 4, top + tall / 2);
}

function Chart({ rows, frames, width, height, theme, look, fill, words }: Props & { rows: Row[]; fill: (row: Row, value: number) => string; words: boolean }) {
  const times: number[] = frames[0].fields[0].values;
  const config = useMemo(() => {
    const builder = chart(times, rows, theme, look, fill, words);
    builder.addHook('draw', (u) => regions(look).forEach((band) => band.draw(u)));
    return builder;
  }, []);
  return <UPlotChart data={[times, times.map(() => null)] as never} width={width} height={height} config={config} />;
}

const LEGEND = 24;

function legend(theme: GrafanaTheme2) {
  return { height: LEGEND, display: 'flex', gap: 10, alignItems: 'center', padding: '0 8px', fontSize: 12, color: theme.colors.text.secondary };
}

export function Cells(props: Props & { panel: Panel }) {
  const color = props.panel.options.color as { scheme: string; min?: number; max?: number };
  const rows = ordered(rowsOf(props.frames));
  const every = rows.flatMap((row) => row.values).filter((value): value is number => value !== null);
  const [low, high] = [color.min ?? Math.min(...every), color.max ?? Math.max(...every)];
  // Grafana turns every diverging scheme of d3 round: low is orange, high is purple.
  const scale = color.scheme === 'PuOr' ? (at: number) => interpolatePuOr(1 - at) : interpolateCividis;
  const share = (value: number) => Math.min(1, Math.max(0, (value - low) / (high - low || 1)));
  const [first] = rows;
  return (
    <>
      <Chart {...props} height={props.height - LEGEND} rows={rows} fill={(_, value) => scale(share(value))} words={false} />
      <div style={{ ...legend(props.theme), justifyContent: 'flex-end' }}>
        {formattedValueToString(first.display(low))}
        <span style={{ width: Math.min(160, props.width / 3), height: 8, background: `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(scale).join(', ')})` }} />
        {formattedValueToString(first.display(high))}
      </div>
    </>
  );
}

export function States(props: Props) {
  const rows = rowsOf(props.frames).reverse();
  const shown = new Map(rows.flatMap((row) => row.values.filter((value): value is number => value !== null).map((value) => [value, row.display(value)])));
  return (
    <>
      <Chart {...props} height={props.height - LEGEND} rows={rows} fill={(row, value) => row.display(value).color ?? '#8E8E8E'} words={true} />
      <div style={legend(props.theme)}>
        {[...shown].sort(([a], [b]) => a - b).map(([value, { text, color }]) => <span key={value}><b style={{ color }}>▬</b> {text}</span>)}
      </div>
    </>
  );
}
