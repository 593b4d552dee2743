package ftp

import "maps"

// newCommands makes the table of all that clients may say.
func newCommands() map[string]command {
	all := make(map[string]command)
	for _, some := range []map[string]command{loginCommands(), tellingCommands(), settingCommands(), transferCommands(), treeCommands()} {
		maps.Copy(all, some)
	}
	return all
}

func loginCommands() map[string]command {
	return map[string]command{
		"HOST": {run: (*conn).doHOST, args: "name", open: true},
		"AUTH": {run: (*conn).doAUTH, args: "TLS", open: true},
		"PBSZ": {run: (*conn).doPBSZ, args: "0", open: true, sealed: true, between: true},
		"PROT": {run: (*conn).doPROT, args: "P | C", open: true, sealed: true, between: true},
		"CCC":  {run: answer(reply{534, "The control connection stays protected"}), open: true, sealed: true},
		"USER": {run: (*conn).doUSER, args: "name", open: true},
		"PASS": {run: (*conn).doPASS, args: "password", open: true},
		"REIN": {run: (*conn).doREIN, open: true},
		"QUIT": {run: (*conn).doQUIT, open: true},

		"ACCT": {run: answer(plain(502)), absent: true}, "SMNT": {run: answer(plain(502)), absent: true},
		"ADAT": {run: answer(replyTo(errOrder)), open: true},
		"MIC":  {run: answer(plain(502)), open: true, absent: true}, "CONF": {run: answer(plain(502)), open: true, absent: true},
		"ENC": {run: answer(plain(502)), open: true, absent: true},
	}
}

func tellingCommands() map[string]command {
	return map[string]command{
		"FEAT": {run: (*conn).doFEAT, open: true},
		"HELP": {run: (*conn).doHELP, args: "[command]", open: true},
		"STAT": {run: (*conn).doSTAT, args: "[path]", urgent: true},
		"SYST": {run: answer(reply{215, "UNIX Type: L8"}), open: true},
		"NOOP": {run: answer(plain(200)), open: true, between: true},
		"CLNT": {run: (*conn).doCLNT, args: "name", open: true},
		"LANG": {run: (*conn).doLANG, args: "[EN]", open: true},
		"OPTS": {run: (*conn).doOPTS, args: "UTF8 ON | MLST [facts] | HASH [algorithm]", open: true},
	}
}

func settingCommands() map[string]command {
	return map[string]command{
		"TYPE": {run: (*conn).doTYPE, args: "A | I | L 8", between: true},
		"MODE": {run: only("S"), args: "S", between: true},
		"STRU": {run: only("F"), args: "F", between: true},
		"ALLO": {run: (*conn).doALLO, args: "size [R size]", between: true},
		"REST": {run: (*conn).doREST, args: "offset", between: true},
		"RANG": {run: (*conn).doRANG, args: "first last", between: true},
		"PASV": {run: (*conn).doPASV, between: true},
		"EPSV": {run: (*conn).doEPSV, args: "[1 | 2 | ALL]", between: true},
		"PORT": {run: (*conn).doPORT, args: "h1,h2,h3,h4,p1,p2", between: true},
		"EPRT": {run: (*conn).doEPRT, args: "|protocol|address|port|", between: true},
	}
}

func transferCommands() map[string]command {
	return map[string]command{
		"RETR": {run: (*conn).doRETR, args: "path"},
		"STOR": {run: (*conn).doSTOR, args: "path"},
		"STOU": {run: (*conn).doSTOU, args: "[path]"},
		"APPE": {run: (*conn).doAPPE, args: "path"},
		"ABOR": {run: (*conn).doABOR, urgent: true, first: true},
		"LIST": {run: (*conn).doLIST, args: "[path]"},
		"NLST": {run: (*conn).doNLST, args: "[path]"},
		"MLSD": {run: (*conn).doMLSD, args: "[path]"},
		"MLST": {run: onFolder((*conn).doMLST), args: "[path]"},

		"HASH":    {run: (*conn).doHASH, args: "path"},
		"XCRC":    {run: hashed("CRC32"), args: `"path" [first [end]]`},
		"XMD5":    {run: hashed("MD5"), args: `"path" [first [end]]`},
		"XSHA":    {run: hashed("SHA-1"), args: `"path" [first [end]]`},
		"XSHA1":   {run: hashed("SHA-1"), args: `"path" [first [end]]`},
		"XSHA256": {run: hashed("SHA-256"), args: `"path" [first [end]]`},
		"XSHA512": {run: hashed("SHA-512"), args: `"path" [first [end]]`},
	}
}

func treeCommands() map[string]command {
	all := map[string]command{
		"PWD":  {run: (*conn).doPWD},
		"CWD":  {run: onPath((*conn).enterFolder), args: "path"},
		"CDUP": {run: (*conn).doCDUP},
		"MKD":  {run: onPath((*conn).makeFolder), args: "path"},
		"RMD":  {run: onPath((*conn).removeFolder), args: "path"},
		"DELE": {run: onPath((*conn).removeFile), args: "path"},
		"RNFR": {run: onPath((*conn).renameFrom), args: "path"},
		"RNTO": {run: onPath((*conn).renameTo), args: "path"},
		"SIZE": {run: onPath((*conn).doSIZE), args: "path"},
		"MDTM": {run: onPath((*conn).doMDTM), args: "path"},
		"MFMT": {run: (*conn).doMFMT, args: "YYYYMMDDhhmmss path"},
		"MFF":  {run: (*conn).doMFF, args: "modify=...;UNIX.mode=...; path"},
		"AVBL": {run: onFolder((*conn).doAVBL), args: "[path]"},
		"SITE": {run: (*conn).doSITE, args: "CHMOD mode path | HELP"},
	}
	// The names of before RFC 959, which RFC 1123, 4.1.3.1 has servers know.
	for _, one := range [][2]string{{"XPWD", "PWD"}, {"XCWD", "CWD"}, {"XCUP", "CDUP"}, {"XMKD", "MKD"}, {"XRMD", "RMD"}} {
		all[one[0]] = all[one[1]]
	}
	return all
}
