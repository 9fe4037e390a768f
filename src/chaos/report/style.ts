/** How the report looks, in light and dark: few colours, each with one meaning, and figures in columns that line up. Red means wrong and nothing else. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #f7f6f3; --card: #ffffff; --ink: #1d2127; --soft: #666d78; --line: #e3e1db; --faint: #f0eee9;
  --good: #1f7a4d; --good-ink: #ffffff; --bad: #c62f37; --bad-ink: #ffffff; --void: #8a6100; --void-ink: #ffffff;
  --blue: #2d6cc0; --orange: #c8621b; --grey: #9aa1ac;
  --processes: #b0762b; --pauses: #7a5cc4; --network: #148a86; --members: #5a8f2f; --datalog: #b8478f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1b1f25; --ink: #e4e7eb; --soft: #98a1ad; --line: #2d333b; --faint: #232830;
    --good: #3fae74; --good-ink: #08130d; --bad: #f0656b; --bad-ink: #1d0507; --void: #d9a528; --void-ink: #191202;
    --blue: #6ba5f0; --orange: #ee9752; --grey: #737c88;
    --processes: #d9a25c; --pauses: #a78df0; --network: #3cc0ba; --members: #8fc55f; --datalog: #e07fbd;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 32px 24px 80px; }
h1 { font-size: 26px; line-height: 1.25; margin: 12px 0 4px; font-weight: 650; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 44px 0 4px; font-weight: 650; }
h3 { font-size: 15px; margin: 0 0 2px; font-weight: 650; overflow-wrap: anywhere; }
p { margin: 4px 0 12px; max-width: 96ch; }
code, pre, .mono { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
a { color: var(--blue); }
.soft { color: var(--soft); }
.note { color: var(--soft); font-size: 13.5px; }
.verdict { display: inline-block; padding: 3px 14px; border-radius: 999px; font-weight: 700; letter-spacing: 0.04em; text-transform: uppercase; font-size: 14px; }
.verdict.pass { background: var(--good); color: var(--good-ink); }
.verdict.violation { background: var(--bad); color: var(--bad-ink); }
.verdict.void { background: var(--void); color: var(--void-ink); }
.reasons { margin: 12px 0; padding: 10px 16px; border-left: 4px solid var(--bad); background: var(--card); border-radius: 0 8px 8px 0; }
.reasons.void { border-color: var(--void); }
.reasons ul { margin: 0; padding-left: 18px; }
pre { margin: 6px 0 0; padding: 10px 14px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.card b { display: block; font-size: 22px; line-height: 1.3; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }
.card.wrong b { color: var(--bad); }
.card span { color: var(--soft); font-size: 13px; }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; margin: 10px 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 12px; }
.list { list-style: none; margin: 4px 0; padding: 0; }
.list li { padding: 4px 0 4px 24px; position: relative; }
.list li::before { position: absolute; left: 0; font-weight: 700; }
.list li.ok::before { content: "\\2713"; color: var(--good); }
.list li.wrong::before { content: "\\2717"; color: var(--bad); }
.list li.skipped::before { content: "\\2013"; color: var(--soft); }
.scroll { overflow-x: auto; }
/* A long history is shown from its end, which is where it went wrong. */
.history { display: flex; }
.history > svg { flex: none; }
.scroll.latest { direction: rtl; flex: 1; min-width: 0; }
.scroll.latest svg { direction: ltr; margin-right: auto; }
.tall { max-height: 340px; overflow: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 13px; border-bottom: 1px solid var(--line); padding: 5px 12px 5px 0; white-space: nowrap; }
td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--faint); vertical-align: top; overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
th.number, td.number { text-align: right; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
td.name { white-space: nowrap; }
.wrong-text { color: var(--bad); font-weight: 600; }
.cover td.number { position: relative; text-align: center; padding: 5px 6px; }
.cover th.number { text-align: center; }
.cover td.none { color: var(--grey); }
.cover td.some { background: color-mix(in srgb, var(--blue) calc(10% + var(--share) * 45%), transparent); }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 6px 0 0; vertical-align: 0; background: currentColor; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin: 0 0 2px; }
svg { display: block; }
svg.chart { width: 100%; min-width: 720px; height: auto; }
svg.chart.half { min-width: 300px; }
svg text { font: 11.5px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
svg .tick { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .series { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke: currentColor; }
svg .area { fill: currentColor; opacity: 0.12; }
svg .band { fill: currentColor; opacity: 0.13; }
svg.solid .band { opacity: 0.9; }
.blue { color: var(--blue); } .orange { color: var(--orange); } .grey { color: var(--grey); } .red { color: var(--bad); }
.g-processes { color: var(--processes); } .g-pauses { color: var(--pauses); } .g-network { color: var(--network); }
.g-members { color: var(--members); } .g-datalog { color: var(--datalog); }
.timeline .lane { fill: var(--soft); }
.timeline .bar rect { fill: var(--grey); }
.timeline .bar.writes rect { fill: var(--blue); }
.timeline .bar.failed rect { fill: none; stroke: var(--grey); stroke-dasharray: 3 2; }
.timeline .bar.unknown rect { opacity: 0.45; }
.timeline .bar.culprit rect { fill: var(--bad); }
.timeline .bar.culprit text { fill: var(--bad); font-weight: 700; }
.finding { border-left: 4px solid var(--bad); }
details > summary { cursor: pointer; color: var(--soft); font-size: 13.5px; margin: 8px 0 4px; }
@media (max-width: 640px) { main { padding: 20px 14px 60px; } h1 { font-size: 22px; } }
@media print { body { background: none; } .panel, .card { break-inside: avoid; } /* A long history is shown from its end, which is where it went wrong. */
.history { display: flex; }
.history > svg { flex: none; }
.scroll.latest { direction: rtl; flex: 1; min-width: 0; }
.scroll.latest svg { direction: ltr; margin-right: auto; }
.tall { max-height: none; } }
`
