// What to take from a guest at the door. The server says it again once it is sold.
(function () {
    "use strict";
    const tier = document.getElementById("id_tier");
    const quantity = document.getElementById("id_quantity");
    if (!tier || !quantity) {
        return;
    }
    const total = document.createElement("output");
    total.className = "total";
    total.setAttribute("for", "id_tier id_quantity");
    quantity.insertAdjacentElement("afterend", total);

    function show() {
        const chosen = tier.selectedOptions[0];
        const number = Number(quantity.value);
        const price = chosen ? Number(chosen.dataset.price) : NaN;
        const known = number > 0 && !Number.isNaN(price);
        const sum = price ? "Take " + (number * price).toFixed(2) + " " + (chosen && chosen.dataset.currency) : "Free";
        total.textContent = known ? sum : "";
    }

    tier.addEventListener("change", show);
    quantity.addEventListener("input", show);
    show();
}());
