"""Ordinary words: no passwords after `password:`, no handles after an at sign, no names though somebody chose them."""


def words_of(text: str) -> frozenset[str]:
    """Give the words of a text that lists them."""
    return frozenset(text.split())


# What follows `password` in sentences and forms about passwords, in the four languages of the patterns.
NO_PASSWORDS = words_of("""
    a above again all allowed already also always an and any anymore app apps are as ask asked at back bad banned below
    blank but by can cannot case-sensitive change changed click compromised confirmed correct correctly cracked created
    de default deleted denied different disabled do does don't doesn't each either email empty enabled enter entered
    erased expired failed failing field file fine for forget forgot forgotten from gone good google has have here hidden
    how i if in incorrect incorrectly instead invalid is it it's known line locked login long lost manager me missing
    mine my name needed never new no none normal not nothing now null of off ok okay old on once one only optional or our
    page password passwords please prompt protected provided recovery rejected removed required reset right same save
    saved screen secure see set should shown so still stored strong that the their them then there this to too twice
    typed undefined unknown unset up used username valid various verified very via visible was way weak what when where
    which who why will with without working wrong yes you your
    abgelaufen abgelehnt aber alle als am an auch auf aus bei bekannt benötigt bitte da das dein dem den der die ein eine
    eingeben eingegeben er erforderlich es falsch fehlt für geändert gelöscht gespeichert gesperrt gleich gültig hier ich
    ihr im in ja jetzt kein keine korrekt leer mein mit neu nein nicht nochmal nur oder richtig sein sich siehe sie so
    stimmt und unbekannt ungültig unter verborgen vergessen verloren von vorhanden war weg wie wird wo zu zum
    zurücksetzen
    à au aucun avec ce correct dans des du elle en erroné est et expiré faux ici il incorrecte inconnu invalide je la le
    les ma mon ne non obligatoire oublié ou oui pas perdu pour qui requis sur un une valide vide voir votre
    al aquí caducada con correcta de del desconocida el ella era errónea es esta guardada igual incorrecta inválida la mi
    no nueva o obligatoria olvidada para perdida por que requerida sí sin su tu una vacía ver y
    1password aes-256 apop base64 bitwarden cram-md5 digest-md5 gssapi imap imap4 kerberos keepass keepassxc lastpass md5
    ntlm oauth oauth2 outlook plain pop pop3 sha-1 sha-256 sha1 sha256 smtp ssl ssl/tls starttls tls utf-8 utf8 x509
""")
# What follows an at sign in code, in comments and in style sheets; any other word is taken for a person.
CODE = words_of("""
    abstractmethod angular author autowired before after charset classmethod component container dataclass deprecated
    entity extends fixture font-face get import inject keyframes layer link media namespace nullable override page param
    patch pytest post private property protected public return returns see since staticmethod supports suppresswarnings
    tailwind template test throws todo type typedef use version
""")
PROVIDERS = words_of(
    "aol gmail gmx googlemail hotmail icloud live mail msn outlook proton protonmail web yahoo"
)
# Endings of domains: those that a spelled-out address may have, and more that tell `@example.net` from a handle.
SPELLED_ENDINGS = words_of("at biz ch co com de edu es eu example fr gov info io it net nl org uk")
ENDINGS = SPELLED_ENDINGS | words_of(
    "au be br ca cz dk fi gr hu ie il in jp local lu mx name nz pl pt ro ru se si sk tv ua us za"
)
# What looks like an ending but ends the name of a file, as in `icon@2x.png`.
FILES = words_of(
    "bmp css csv dll exe gif htm html ico jpeg jpg js json pdf php png svg tar tif tiff ttf txt webp xml"
)
# What stands before a version or the number of a section, and never before an address.
VERSIONED = words_of("""
    abschnitt absatz android apache build chapter chrome clause driver drivers edge exchange fassung figure firefox firmware
    framework fw ios java kapitel kernel macos mysql net nginx office oid openssl paragraph patch php python release rev
    revision sect section table thunderbird treiber v ver vers version versionen versions versión windows §
""")
# Handles that are roles or plain words, and words within handles: they stand for nobody in a text.
NO_NAMES = words_of("""
    account admin administrator agent anon anonymous answer ask assistant author bot buyer client computer contact
    customer customers demo desk deleted desktop developer email everyone firefox forum guest hello help helpdesk helper
    home info information internet kunde laptop linux login mail manager member moderator mozilla name network new newbie
    nobody none null office online operator order owner password phone plus private problem question real root sales
    server service staff student super support system team tech test tester testing the thunderbird thunderuser trying
    ubuntu unknown user username users visitor web webmaster website welcome windows you
    benutzer gast hilfe kunden mitarbeiter mitglied niemand
    compte invité utilisateur
    ayuda cliente invitado usuario
    and are but can for from has have how its just not now one out see some that there they this use van von was what
    when who why will with den der die das und des del las los les une
""")
