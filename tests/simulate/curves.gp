# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# Draws what tests/simulate/run has in `csv`, as SVG files in `out`: a panel for each workload, a curve for each class and
# each way of giving stamps.

set datafile separator ","
set key outside below
set logscale x 2
set logscale y
set grid
set xlabel "CPUs"
set format y "%g"

columns = words(workloads) < 3 ? words(workloads) : 3
rows = (words(workloads) + columns - 1) / columns
least = 1e-6 # the axis is logarithmic: what is less is drawn as that
points(w, c, s) = sprintf("< awk -F, '$1 == \"%s\" && $2 == \"%s\" && $3 == \"%s\"' %s", w, c, s, csv)

set terminal svg size 420 * columns, 320 * rows dynamic background "white"

do for [figure in "throughput rollbacks longest-wait stamp-time stamps"] {
	shown = figure eq "throughput" ? 5 : figure eq "rollbacks" ? 6 : figure eq "longest-wait" ? 7 : \
		figure eq "stamps" ? 8 : 9
	label = figure eq "throughput" ? "transactions a second" : figure eq "rollbacks" ? "rollbacks of a transaction" : \
		figure eq "longest-wait" ? "longest wait, s" : \
		figure eq "stamps" ? "accesses to the counter, of a transaction" : "part of all CPU time lost on the counter's line"
	set output out . "/" . figure . ".svg"
	set multiplot layout rows, columns
	set ylabel label
	do for [w in workloads] {
		set title w noenhanced
		plot for [c in classes] for [s in stamps] points(w, c, s) using 4:(column(shown) > least ? column(shown) : least) \
			with linespoints dashtype 1 + (s eq "eager") title c . ", " . s noenhanced
	}
	unset multiplot
}
