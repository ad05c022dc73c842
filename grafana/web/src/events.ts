// Annotations: the stretches of time in which an annotation's query had a value, as Grafana merges them into regions.
import type { Look } from './frames';

export interface Band { name: string; color: string; draw: (u: uPlot) => void }
type uPlot = import('uplot');

export function regions(look: Look): Band[] {
  return look.dashboard.annotations.list.map(({ name, iconColor: color }) => {
    const stretches: Array<[number, number]> = [];
    const times = [...new Set((look.events[name] ?? []).flatMap((series) => series.values!.map(([at]) => at * 1000)))].sort((a, b) => a - b);
    for (const at of times) {
      const last = stretches.at(-1);
      if (last && at - last[1] <= 1.5 * look.span.step) {
        last[1] = at;
      } else {
        stretches.push([at, at]);
      }
    }
    return { name, color, draw: (u: uPlot) => draw(u, color, stretches) };
  });
}

function draw(u: uPlot, color: string, stretches: Array<[number, number]>) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.fillStyle = ctx.strokeStyle = color;
  for (const [from, to] of stretches) {
    const [left, right] = [u.valToPos(from, 'x', true), u.valToPos(to, 'x', true)];
    ctx.globalAlpha = 0.1;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 0.9;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
