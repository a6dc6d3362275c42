/* page - the page for people: one HTML file (web/page.html) with its style and its script, built into the program, and the policy
 * that lets a browser run nothing else and ask nobody else.
 *
 * Owns:    both are static.
 * Threads: pure. */
#ifndef OB_WEB_PAGE_H
#define OB_WEB_PAGE_H

#include <stddef.h>

#define OB_WEB_POLICY_MAX 512

const char *ob_web_page(size_t *ret_bytes);
/* Content-Security-Policy: names style and script by their SHA-256. */
void ob_web_page_policy(char ret_policy[OB_WEB_POLICY_MAX]);

#endif
