const filter = document.getElementById("filter");
filter.hidden = false;
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const body of document.querySelectorAll("tbody")) {
    const group = body.querySelector(".group");
    const whole = group !== null && group.textContent.toLowerCase().includes(wanted);
    const rows = [...body.querySelectorAll(".row")];
    for (const row of rows) row.hidden = !(whole || row.textContent.toLowerCase().includes(wanted));
    if (group !== null) group.hidden = rows.every((row) => row.hidden);
  }
});
