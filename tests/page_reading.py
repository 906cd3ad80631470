"""What a reader's eye does with the page: where marks and lines stand, and how words stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONTRAST = """(selectors) => {
    const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const pixel = (colour) => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const linear = (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const light = (colour) => {
        const [red, green, blue] = pixel(colour).map((value) => linear(value / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    return selectors.map((selector) => {
        const element = document.querySelector(selector);
        let below = element;
        while (pixel(getComputedStyle(below).backgroundColor)[3] === 0) below = below.parentElement;
        const both = [getComputedStyle(element).color, getComputedStyle(below).backgroundColor].map(light);
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    });
}"""
"""The ratio of WCAG 2 between words and what is behind them."""


def points(page: Page) -> list[np.ndarray]:
    """Return where the symbols of each drawn task stand, in pixels."""
    drawn = page.evaluate(
        """() => [...document.querySelectorAll(".panels svg [aria-label=dot]")].map((group) =>
            [...group.children].map((mark) =>
                [mark.getAttribute("stroke"), ...mark.getAttribute("transform").match(/-?[\\d.]+/g).map(Number)]))"""
    )
    found = []
    for panel in drawn:
        colours = dict.fromkeys(colour for colour, *_ in panel)
        found += [np.array([[x, y] for one, x, y in panel if one == colour]) for colour in colours]
    return found


def lines(page: Page) -> list[np.ndarray]:
    """Return both ends of each drawn line, in pixels."""
    drawn = page.evaluate(
        """() => [...document.querySelectorAll(".panels svg [aria-label='linear-regression'] path[fill=none]")]
            .map((path) => path.getAttribute("d").match(/-?[\\d.]+/g).map(Number))"""
    )
    return [np.array(numbers).reshape(-1, 2)[[0, -1]] for numbers in drawn]
