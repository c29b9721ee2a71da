// Draws each diagram, and again when the reader chooses another theme: Furo keeps the choice in body's data-theme.
(() => {
  const sources = new Map();
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => {
    const chosen = document.body.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && prefersDark.matches);
  };
  const draw = async () => {
    const theme = dark() ? "dark" : "neutral";
    window.mermaid.initialize({startOnLoad: false, theme, fontFamily: "inherit", sequence: {wrap: true, width: 120}});
    for (const [element, source] of sources) {
      element.removeAttribute("data-processed");
      element.textContent = source;
    }
    await window.mermaid.run({nodes: [...sources.keys()]});
  };
  document.addEventListener("DOMContentLoaded", () => {
    for (const element of document.querySelectorAll("pre.mermaid")) {
      sources.set(element, element.textContent);
      if (!window.mermaid) element.classList.replace("mermaid", "undrawn");
    }
    if (!window.mermaid) return;
    if (!sources.size) return;
    draw();
    new MutationObserver(draw).observe(document.body, {attributeFilter: ["data-theme"]});
    prefersDark.addEventListener("change", draw);
  });
})();
