for (const stepper of document.querySelectorAll(".stepper")) {
  const seek = stepper.querySelector(".seek"), range = seek.querySelector("input"), moves = +range.max;
  const sides = [...stepper.querySelectorAll(".side")].map((side) => {
    const { boards, shown, tracks } = JSON.parse(side.dataset.frames), all = (of) => [...side.querySelectorAll(of)];
    const told = all(".now"), rules = all(".here"), dots = all(".dot");
    const ticking = tracks.map((track, i) => ({
      told: track.told.split(" "), y: track.y.split(" "), now: told[i], rule: rules[i], dot: dots[i],
    }));
    return { tiles: all(".board use"), boards: boards.split("\n"), shown: shown.split(" "), ticking };
  });
  const show = (move) => {
    seek.querySelector("output").value = move;
    range.setAttribute("aria-valuetext", `move ${move} of ${moves}`);
    for (const { tiles, boards, shown, ticking } of sides) {
      const at = Math.min(move, shown.length - 1), x = `${(100 * at) / moves}%`, board = boards[shown[at]];
      tiles.forEach((tile, i) => tile.setAttribute("href", `#tile-${board.charCodeAt(i)}`));
      for (const { told, y, now, rule, dot } of ticking) {
        const known = y[at] !== "-";
        now.textContent = told[at];
        for (const mark of [rule, dot]) mark.setAttribute("visibility", known ? "visible" : "hidden");
        rule.setAttribute("x1", x);
        rule.setAttribute("x2", x);
        dot.setAttribute("cx", x);
        if (known) dot.setAttribute("cy", y[at]);
      }
    }
  };
  range.addEventListener("input", () => show(+range.value));
  seek.hidden = false;
}
