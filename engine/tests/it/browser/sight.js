// What cannot be read on a page: text whose contrast with what is behind it is below 4.5 (3 where it is large), by computed styles. One
// function, which a browser is asked to evaluate.
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const colour = (text) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = text;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => [0, 1, 2].map((at) => top[at] * top[3] + under[at] * (1 - top[3])).concat(1);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const layer = colour(getComputedStyle(at).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
  };
  const shown = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".unseen, .skip:not(:focus)")) return false;
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1;
  };
  const opacity = (element) => {
    let whole = 1;
    for (let at = element; at; at = at.parentElement) whole *= Number(getComputedStyle(at).opacity);
    return whole;
  };
  const dim = [];
  const judge = (element, text, style, behind, ink) => {
    const top = colour(ink);
    if (top[3] === 0) return;
    top[3] *= opacity(element);
    const ratio = contrast(over(top, behind), behind);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) dim.push(`${ratio.toFixed(2)} '${text.trim().slice(0, 40)}' in ${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element || ["SCRIPT", "STYLE", "NOSCRIPT", "TITLE", "title", "OPTION"].includes(element.tagName) || !shown(element)) continue;
    const style = getComputedStyle(element);
    const svg = element.closest("svg");
    if (svg) {
      const box = element.closest(".node")?.querySelector("rect");
      const under = ground(svg.parentElement);
      judge(element, node.data, style, box ? over(colour(getComputedStyle(box).fill), under) : under, style.fill);
    } else {
      judge(element, node.data, style, ground(element), style.color);
    }
  }
  for (const field of document.querySelectorAll("input[placeholder], textarea, select")) {
    if (!shown(field)) continue;
    const style = getComputedStyle(field);
    if (field.placeholder && !field.value) judge(field, field.placeholder, style, ground(field), getComputedStyle(field, "::placeholder").color);
    else if (field.value) judge(field, field.value, style, ground(field), style.color);
  }
  return [...new Set(dim)];
}
