# SPDX-License-Identifier: MIT OR GPL-2.0-only
#
# Draws each workload of rows.csv in the current directory: KIND_WORKLOAD.svg, throughput and longest wait against threads.
# Each scheme has a colour (Okabe and Ito's, but no yellow), and a mark that tells it without; ours have the thick lines.

charts = system("tail -n +2 rows.csv | cut -d, -f1,2 | uniq")
array colours[10] = ["#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#777777", "#882255", "#44aa99"]
array marks[10] = [7, 5, 9, 11, 6, 4, 8, 10, 1, 2]

set terminal svg size 1000,430 font "sans-serif,13" background "white" linewidth 1.2
set datafile separator ","
set logscale x 2
set logscale y 10
set format y "10^{%T}"
set xtics (1, 2, 4, 8, 16)
set xrange [0.9:18]
set xlabel "threads"
set grid ytics linecolor "#dddddd"
set border 3
set tics nomirror

do for [chart in charts] {
	schemes = system(sprintf("grep '^%s,' rows.csv | cut -d, -f4 | awk '!seen[$0]++'", chart))
	row(i) = sprintf("< grep -E '^kind,|^%s,[0-9]+,%s,' rows.csv", chart, word(schemes, i))
	width(i) = word(schemes, i)[1:5] eq "resv_" ? 2.5 : 1
	comma = strstrt(chart, ",")
	set output chart[1:comma - 1]."_".chart[comma + 1:*].".svg"
	set multiplot title chart[1:comma - 1].": ".chart[comma + 1:*] noenhanced

	set size 0.41, 0.93
	set origin 0, 0
	unset key
	set ylabel "transactions a second"
	plot for [i = 1:words(schemes)] row(i) using "threads":"throughput" with linespoints linewidth width(i) \
		linecolor rgb colours[i] pointtype marks[i] pointsize 0.8

	set size 0.59, 0.93
	set origin 0.41, 0
	set key outside right center
	set ylabel "longest transaction [us]"
	plot for [i = 1:words(schemes)] row(i) using "threads":"longest_us" with linespoints linewidth width(i) \
		linecolor rgb colours[i] pointtype marks[i] pointsize 0.8 title word(schemes, i) noenhanced

	unset multiplot
	unset output
}
