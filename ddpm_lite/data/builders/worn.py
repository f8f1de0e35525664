"""What a thing can wear, drawn for this course: SVG on a field of 64 x 64."""

WORN = {
    "crown": '<path d="M4 56V16l14 16L32 8l14 24 14-16v40z" fill="#fbc02d" stroke="#e08a00" stroke-width="3"/>'
    '<circle cx="32" cy="44" r="6" fill="#d81b60"/>'
    '<circle cx="14" cy="46" r="4" fill="#1e88e5"/><circle cx="50" cy="46" r="4" fill="#1e88e5"/>',
    "party hat": '<path d="M32 6 54 60H10z" fill="#ab47bc"/><path d="M24 26l19 7 4 10-27-7z" fill="#ffee58"/>'
    '<path d="M14 50l38 6 2 4H10z" fill="#26c6da"/><circle cx="32" cy="8" r="7" fill="#ff7043"/>',
    "sunglasses": '<path d="M0 20h64v8H0z" fill="#111"/>'
    '<path d="M3 22h26v12a13 10 0 0 1-26 0zM35 22h26v12a13 10 0 0 1-26 0z" fill="#111"/>'
    '<path d="M8 26h8l-5 9zM40 26h8l-5 9z" fill="#777"/>',
    "scarf": '<path d="M0 18q32 16 64 0v16q-32 16-64 0z" fill="#e53935"/><path d="M40 30h16v32H40z" fill="#c62828"/>'
    '<path d="M14 23l2 17h6l-2-15zM42 40h12v6H42z" fill="#fff"/>',
    "halo": '<ellipse cx="32" cy="32" rx="28" ry="11" fill="none" stroke="#ffca28" stroke-width="9"/>'
    '<ellipse cx="32" cy="32" rx="28" ry="11" fill="none" stroke="#fff59d" stroke-width="3"/>',
}
