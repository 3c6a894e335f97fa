// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A program that knows the library only through pkg-config.
#include <resv/transaction.hpp>

int main()
{
	resv::reservation_object objects[2];
	resv::transaction transaction;
	if (int err = transaction.reserve(objects))
		return -err;
	return transaction.size() == 2 ? 0 : 1;
}
