#include "eval/results/html_template.h"

namespace emend {

std::string eval_report_template() {
  return R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="emend {{version}}">
<title>{{title}}</title>
<style>{{{style}}}</style>
</head>
<body>
<header>
<h1>{{title}}</h1>
<p class="note">{{subtitle}}</p>
</header>
<main>
{{#sections}}
<section>
<h2>{{title}}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{title}}"><table>
<thead><tr>{{#columns}}<th scope="col">{{text}}</th>{{/columns}}</tr></thead>
<tbody>
{{#rows}}
<tr>{{#group}}<th class="group" colspan="{{width}}" scope="rowgroup">{{text}}</th>{{/group}}{{#member}}<th scope="row" class="{{style}}">{{text}}</th>{{#cells}}<td>{{text}}</td>{{/cells}}{{/member}}</tr>
{{/rows}}
</tbody></table></div>
<p class="note">{{note}}</p>
</section>
{{/sections}}
{{#has_intervals}}
<section>
<h2>Means with their intervals</h2>
<p class="note">A mark is the mean over records, the line through it the 95 % interval.</p>
<div class="charts">
{{#intervals}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/intervals}}
</div>
</section>
{{/has_intervals}}
{{#has_retention}}
<section>
<h2>Retention</h2>
<p class="note">Edits go onto the same model one after the other; each point is the mean over all records edited so far, the band its 95 % interval.</p>
<div class="charts">
{{#retention}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/retention}}
</div>
</section>
{{/has_retention}}
{{#has_histograms}}
<section>
<h2>Distributions</h2>
<p class="note">Each prompt counts once. Bars: after the edit; dashed outline: before.</p>
{{#histograms}}
<h3>{{title}}</h3>
<p class="note">{{note}}</p>
<div class="charts">
{{#charts}}
<figure><figcaption>{{title}}</figcaption>
{{{svg}}}</figure>
{{/charts}}
</div>
{{/histograms}}
</section>
{{/has_histograms}}
{{#worst}}
<section>
<h2>Worst cases: {{run}}</h2>
<p class="note">In front of each prompt: probability of the expected answer less that of the other one, after the edit.</p>
{{#kinds}}
<h3>{{title}} ({{count}})</h3>
<p class="note">{{meaning}}</p>
{{#cases}}
<details{{#first}} open{{/first}}>
<summary><strong>{{margin}}</strong> · {{prompt}} → <em>{{expected}}</em></summary>
<div class="inside">
{{#reason}}<p><span class="bad">Failed:</span> {{reason}}</p>{{/reason}}
{{#warnings}}<p><span class="bad">Warning:</span> {{text}}</p>{{/warnings}}
{{#asked}}
<table class="words">
<thead><tr><th scope="col"></th><th scope="col">before</th><th scope="col">after</th></tr></thead>
<tbody>
{{#rows}}
<tr><th scope="row">{{name}}</th><td class="{{before_style}}">{{before}}</td><td class="{{after_style}}">{{after}}</td></tr>
{{/rows}}
</tbody></table>
{{/asked}}
<p class="note">{{about}}</p>
</div>
</details>
{{/cases}}
{{#rest}}<p class="note">{{rest}}</p>{{/rest}}
{{/kinds}}
</section>
{{/worst}}
<section>
<h2>How it was made</h2>
{{#runs}}
<details open>
<summary>{{name}}</summary>
<div class="inside"><table class="words"><tbody>
{{#facts}}
<tr><th scope="row">{{name}}</th><td>{{value}}</td></tr>
{{/facts}}
{{#notes}}
<tr><th scope="row">note</th><td>{{text}}</td></tr>
{{/notes}}
</tbody></table></div>
</details>
{{/runs}}
</section>
</main>
</body>
</html>
)html";
}

}  // namespace emend
